use super::*;
use crate::api::http01::Routing;

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
    let kind = |solver, class| {
        service_kind(
            Routing::Ingress(config(solver)).service_type(),
            Some(class_of(None, Some(class))),
        )
    };
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

#[test]
fn what_leads_as_wanted_is_left_alone_whatever_the_server_added_and_what_does_not_is_noticed() {
    let wanted = |texts: &[&str]| {
        let addresses = addresses(texts);
        let service = shared_service("shop", ServiceKind::ClusterIp, &addresses, None, &pairs(&[]));
        let slices = endpoint_slices("shop", ServiceKind::ClusterIp, (&addresses, 8089), None, &pairs(&[]));
        (service, slices)
    };
    let (service, slices) = wanted(&[V4, "10.99.0.2", V6]);
    let leads = |services: &[_], found: &[_]| leads_as_wanted((&service, &slices), (services, found));
    let mut kept = service.clone();
    let spec = kept.spec.as_mut().unwrap();
    spec.cluster_ip = Some("10.0.0.7".into());
    spec.session_affinity = Some("None".into());
    kept.metadata.uid = Some("uid".into());
    assert!(leads(&[kept.clone()], &slices));

    assert!(!leads(&[], &slices), "no Service");
    assert!(!leads(&[kept.clone()], &slices[..1]), "a slice is missing");
    assert!(!leads(&[kept.clone()], &wanted(&[V4, V6]).1), "an address is missing");
    let mut selecting = kept.clone();
    selecting.spec.as_mut().unwrap().selector = Some(pairs(&[("app", "theirs")]));
    assert!(!leads(&[selecting], &slices), "a selector leads elsewhere");
    let mut other_port = kept.clone();
    other_port.spec.as_mut().unwrap().ports = None;
    assert!(!leads(&[other_port], &slices), "a port is missing");
    let mut unready = slices.clone();
    unready[0].endpoints[0].conditions.as_mut().unwrap().ready = Some(false);
    assert!(!leads(&[kept], &unready), "an address is not used");
}
