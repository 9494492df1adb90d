//! The manifests of deploy/ against each other: what selects what, which ports are open to whom, which rights are given by default.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::path::Path;

use serde_json::{Value, json};

fn objects(manifest: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(manifest);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split("\n---\n")
        .map(|object| serde_saphyr::from_str(object).unwrap())
        .collect()
}

fn object(manifest: &str, kind: &str) -> Value {
    let found = objects(manifest).into_iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("{manifest} has no {kind}"))
}

/// Who may reach a port of the pods by these policies, as rules: `None` is everybody.
fn may_reach(port: &str) -> Vec<Option<Value>> {
    let policies = objects("network-policies/policies.yaml");
    let rules = policies
        .iter()
        .flat_map(|policy| policy["spec"]["ingress"].as_array().into_iter().flatten());
    let about = rules.filter(|rule| {
        rule["ports"]
            .as_array()
            .unwrap()
            .iter()
            .any(|open| open["port"] == port)
    });
    about.map(|rule| rule.get("from").cloned()).collect()
}

#[test]
fn network_policies_are_about_the_pods_of_the_deployment_and_open_the_ports_that_it_has() {
    let deployment = object("program/deployment.yaml", "Deployment");
    let pod = &deployment["spec"]["template"];
    for policy in objects("network-policies/policies.yaml") {
        assert_eq!(policy["spec"]["podSelector"]["matchLabels"], pod["metadata"]["labels"]);
        assert_eq!(policy["metadata"]["namespace"], deployment["metadata"]["namespace"]);
    }
    let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
    let names: Vec<&str> = ports.iter().map(|port| port["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["http-metrics", "http-healthz", "acme"]);

    assert_eq!(
        may_reach("acme"),
        [None],
        "the CA's questions come through any ingress controller"
    );
    let monitoring = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    assert_eq!(may_reach("http-metrics"), [Some(monitoring)]);
    assert!(
        may_reach("http-healthz").is_empty(),
        "the kubelet of the pod's own node needs no rule"
    );
}

#[test]
fn services_lead_to_the_pods_of_the_deployment() {
    let deployment = object("program/deployment.yaml", "Deployment");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let services = objects("program/services.yaml");
    assert_eq!(services.len(), 2);
    for service in services {
        assert_eq!(&service["spec"]["selector"], labels, "{service}");
    }
}

/// Every right that roles of a manifest give, as `verb group/resource`.
fn rights(manifest: &str) -> Vec<String> {
    let words = |list: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let given = objects(manifest)
        .into_iter()
        .filter(|object| object["rules"].is_array());
    let rules: Vec<Value> = given
        .flat_map(|role| role["rules"].as_array().unwrap().clone())
        .collect();
    let mut rights = Vec::new();
    for rule in &rules {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                rights.extend(
                    words(&rule["verbs"])
                        .iter()
                        .map(|verb| format!("{verb} {group}/{resource}")),
                );
            }
        }
    }
    rights
}

#[test]
fn pods_are_made_and_openshift_is_asked_only_where_that_was_chosen() {
    for core in ["base/rbac.yaml", "namespaced/role.yaml"] {
        let given = rights(core);
        let optional = ["/pods", "endpointslices/restricted", "routes/custom-host"];
        let beyond = given
            .iter()
            .find(|right| optional.iter().any(|resource| right.ends_with(resource)));
        assert_eq!(beyond, None, "{core}");
    }
    for folder in ["", "namespaced/"] {
        let pods = rights(&format!("{folder}solver-pods/rbac.yaml"));
        assert_eq!(pods, ["get /pods", "list /pods", "create /pods", "delete /pods"]);
        let openshift = rights(&format!("{folder}openshift/rbac.yaml"));
        let expected = [
            "create route.openshift.io/routes/custom-host",
            "create discovery.k8s.io/endpointslices/restricted",
        ];
        assert_eq!(openshift, expected);
    }
}

#[test]
fn what_is_not_certlets_own_is_named() {
    let named = [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "mutatingadmissionpolicybindings",
        "customresourcedefinitions",
    ];
    let given = objects("base/rbac.yaml")
        .into_iter()
        // a role of its own, for an installation that injects CAs into what belongs to others
        .filter(|object| object["rules"].is_array() && object["metadata"]["name"] != "certlet-cainjector");
    let rules = given.flat_map(|role| role["rules"].as_array().unwrap().clone());
    let about = rules.filter(|rule| {
        let resources = rule["resources"].as_array().unwrap();
        resources
            .iter()
            .any(|resource| named.contains(&resource.as_str().unwrap()))
    });
    for rule in about {
        assert!(!rule["resourceNames"].as_array().unwrap().is_empty(), "{rule}");
        assert_eq!(rule["verbs"], json!(["get"]), "{rule}");
    }
}

#[test]
fn the_chart_is_whole_by_itself_and_what_it_has_of_others_is_what_they_say() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let checked = std::process::Command::new(deploy.join("chart.sh"))
        .arg("--check")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    let mut folders = vec![deploy.join("chart")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(
                !path.is_symlink(),
                "{} is a link, and Flux leaves those out",
                path.display()
            );
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}
