use super::*;

const V4: &str = "10.99.0.1";
const V6: &str = "fd00::1";

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_service_has_no_selector_and_belongs_to_the_crd() {
    let owner = crd_owner("crd-uid");
    let service = json_of(&shared_service(
        "shop",
        ServiceKind::ClusterIp,
        &addresses(&[V4]),
        Some(&owner),
        &pairs(&[("team", "red")]),
    ));
    assert_eq!(
        service,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "cm-acme-http-solver-certlet",
                "namespace": "shop",
                "labels": {"acme.cert-manager.io/http01-solver": "true", "team": "red"},
                "annotations": {"auth.istio.io/8089": "NONE"},
                "ownerReferences": [{
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "name": "challenges.acme.cert-manager.io", "uid": "crd-uid",
                }],
            },
            "spec": {
                "type": "ClusterIP",
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "ports": [{"name": "http", "port": 8089, "protocol": "TCP", "targetPort": 8089}],
            },
        })
    );
}

#[test]
fn addresses_of_both_families_make_two_slices_and_a_dual_stack_service() {
    let both = addresses(&[V6, "10.99.0.2", V4, V4]);
    let service = json_of(&shared_service(
        "shop",
        ServiceKind::ClusterIp,
        &both,
        None,
        &BTreeMap::new(),
    ));
    assert_eq!(service["spec"]["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(service["metadata"].get("ownerReferences"), None);
    let slices = json_of(&endpoint_slices(
        "shop",
        ServiceKind::ClusterIp,
        (&both, 18089),
        None,
        &BTreeMap::new(),
    ));
    let slices = slices.as_array().unwrap();
    let seen: Vec<_> = slices
        .iter()
        .map(|slice| {
            (
                slice["metadata"]["name"].as_str().unwrap(),
                slice["addressType"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("cm-acme-http-solver-certlet-ipv4", "IPv4"),
            ("cm-acme-http-solver-certlet-ipv6", "IPv6")
        ]
    );
    assert_eq!(
        slices[0]["metadata"]["labels"]["kubernetes.io/service-name"],
        "cm-acme-http-solver-certlet"
    );
    assert_eq!(
        slices[0]["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"],
        "certlet"
    );
    let endpoints = slices[0]["endpoints"].as_array().unwrap();
    assert_eq!(
        endpoints
            .iter()
            .map(|endpoint| &endpoint["addresses"][0])
            .collect::<Vec<_>>(),
        [V4, "10.99.0.2"]
    );
    assert_eq!(endpoints[0]["conditions"]["ready"], true);
    // The port of the slice is the one listened on; its name is that of the Service's port, which joins the two.
    assert_eq!(
        slices[0]["ports"],
        json!([{"name": "http", "port": 18089, "protocol": "TCP"}])
    );
}

#[test]
fn node_ports_are_for_those_who_need_or_want_them() {
    let kind = |solver, class| service_kind(&config(solver), class_of(None, Some(class)));
    assert_eq!(kind(json!({}), "nginx"), ServiceKind::ClusterIp);
    assert_eq!(kind(json!({}), "gce"), ServiceKind::NodePort);
    assert_eq!(kind(json!({"serviceType": ""}), "gce"), ServiceKind::NodePort);
    assert_eq!(kind(json!({"serviceType": "ClusterIP"}), "gce"), ServiceKind::ClusterIp);
    assert_eq!(kind(json!({"serviceType": "NodePort"}), "nginx"), ServiceKind::NodePort);
    assert_ne!(
        ServiceKind::NodePort.service_name(),
        ServiceKind::ClusterIp.service_name()
    );
}
