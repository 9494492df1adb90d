use super::*;
use crate::api::http01::Routing;
use crate::solver::token::KeyAuthorization;

fn settings(image: &str) -> PodSettings {
    PodSettings {
        image: image.to_owned(),
        request_cpu: "10m".to_owned(),
        request_memory: "64Mi".to_owned(),
        limit_cpu: "100m".to_owned(),
        limit_memory: "64Mi".to_owned(),
        run_as_non_root: true,
        runtime_class_name: None,
        extra_labels: BTreeMap::new(),
    }
}

struct Objects {
    pod: Value,
    service: Value,
    ingress: Value,
}

fn objects(solver: Value, image: &str) -> Objects {
    let ingress = config(solver);
    let (routing, owner, path) = (
        Routing::Ingress(ingress.clone()),
        challenge_owner("order-0", "uid-0"),
        path("demo.example", "tok"),
    );
    let key_authorization = KeyAuthorization::new(path.token.clone(), "thumb");
    let challenge = PodChallenge {
        namespace: "shop",
        order_uid: "order-uid",
        owner: &owner,
        path: &path,
        key_authorization: &key_authorization,
        routing: &routing,
    };
    let settings = settings(image);
    Objects {
        pod: json_of(&solver_pod(&challenge, &settings)),
        service: json_of(&pod_service(&challenge, &settings)),
        ingress: json_of(&pod_ingress(
            &challenge,
            &ingress,
            &settings,
            (class_of(None, Some("gce")), PathType::Prefix),
        )),
    }
}

#[test]
fn the_default_pod_is_restricted_small_and_knows_its_challenge() {
    let pod = objects(json!({}), "registry.example/certlet:1").pod;
    let spec = &pod["spec"];
    assert_eq!(
        spec["securityContext"],
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(spec["enableServiceLinks"], false);
    assert_eq!(spec["restartPolicy"], "OnFailure");
    assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    let container = &spec["containers"][0];
    assert_eq!(
        container["args"],
        json!([
            "acmesolver",
            "--listen-port=8089",
            "--domain=demo.example",
            "--token=tok",
            "--key=tok.thumb"
        ])
    );
    assert_eq!(
        container["resources"],
        json!({"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}})
    );
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(
        pod["metadata"]["annotations"],
        json!({"sidecar.istio.io/inject": "false", "cluster-autoscaler.kubernetes.io/safe-to-evict": "true"})
    );
    assert_eq!(pod["metadata"]["ownerReferences"][0]["controller"], true);
}

#[test]
fn cert_manager_s_own_image_gets_no_subcommand() {
    let pod = objects(json!({}), "quay.io/jetstack/cert-manager-acmesolver:v1.21.1").pod;
    assert_eq!(pod["spec"]["containers"][0]["args"][0], "--listen-port=8089");
}

#[test]
fn service_and_ingress_lead_to_the_pod() {
    let Objects { pod, service, ingress } = objects(json!({"class": "gce"}), "certlet");
    assert_eq!(service["spec"]["type"], "NodePort");
    let selector = service["spec"]["selector"].as_object().unwrap();
    assert_eq!(selector.len(), 3);
    assert!(
        selector
            .iter()
            .all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value))
    );
    let path = &ingress["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["backend"]["service"]["name"], service["metadata"]["name"]);
    assert_eq!(path["pathType"], "Prefix");
    assert_eq!(
        objects(json!({"serviceType": "ClusterIP"}), "certlet").service["spec"]["type"],
        "ClusterIP"
    );
}

#[test]
fn the_template_is_merged_but_its_security_context_replaces() {
    let template = json!({"podTemplate": {
        "metadata": {"labels": {"team": "red", "acme.cert-manager.io/http-token": "x"}, "annotations": {"sidecar.istio.io/inject": "true"}},
        "spec": {
            "nodeSelector": {"pool": "edge"},
            "tolerations": [{"key": "edge", "operator": "Exists"}],
            "priorityClassName": "high",
            "serviceAccountName": "solver",
            "imagePullSecrets": [{"name": "pull"}],
            "securityContext": {"runAsUser": 1000, "sysctls": [{"name": "a", "value": "b"}]},
            "resources": {"limits": {"cpu": 1, "memory": "128Mi"}, "requests": {"memory": "32Mi"}},
        },
    }});
    let pod = objects(template, "certlet").pod;
    let spec = &pod["spec"];
    assert_eq!(
        spec["nodeSelector"],
        json!({"kubernetes.io/os": "linux", "pool": "edge"})
    );
    assert_eq!(spec["tolerations"], json!([{"key": "edge", "operator": "Exists"}]));
    assert_eq!(
        (&spec["priorityClassName"], &spec["serviceAccountName"]),
        (&json!("high"), &json!("solver"))
    );
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "pull"}]));
    assert_eq!(
        spec["securityContext"],
        json!({"runAsUser": 1000, "sysctls": [{"name": "a", "value": "b"}]})
    );
    assert_eq!(
        spec["containers"][0]["resources"],
        json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}})
    );
    assert_eq!(pod["metadata"]["labels"]["team"], "red");
    assert_ne!(pod["metadata"]["labels"]["acme.cert-manager.io/http-token"], "x");
    assert_eq!(pod["metadata"]["annotations"]["sidecar.istio.io/inject"], "true");
}
