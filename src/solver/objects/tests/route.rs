use super::*;
use crate::api::http01::{GatewayHttpRoute, ParentRef};

fn parents(value: Value) -> Vec<ParentRef> {
    serde_json::from_value(value).unwrap()
}

/// The temporary HTTPRoutes of these challenges, each with a Challenge of its own and these parents.
fn routes(paths: &[(&str, &str)], parents_of: impl Fn(&str) -> Vec<ParentRef>) -> Vec<Value> {
    routes_after(&[], paths, parents_of)
}

/// The same after these HTTPRoutes were made.
fn routes_after(before: &[Value], paths: &[(&str, &str)], parents_of: impl Fn(&str) -> Vec<ParentRef>) -> Vec<Value> {
    let route: GatewayHttpRoute = serde_json::from_value(json!({"labels": {"gateway": "open"}})).unwrap();
    let challenges = paths.iter().enumerate().map(|(n, (host, token))| {
        let owner = challenge_owner(&format!("order-{n}"), &format!("uid-{n}"));
        (route.clone(), parents_of(host), path(host, token), owner)
    });
    let groups = Attachment::groups("order-uid", challenges.collect(), &|path: &ChallengePath| {
        let has_it = |route: &&Value| route["spec"].to_string().contains(&path.token.path());
        let names = before.iter().filter(has_it);
        names
            .map(|route| route["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    });
    let objects = groups.iter().map(|group| {
        json_of(&temporary_route(&RouteExposure {
            namespace: "shop",
            order_uid: "order-uid",
            group,
            service: "cm-acme-http-solver-certlet",
            extra_labels: &pairs(&[("team", "red"), ("acme.cert-manager.io/http-domain", "mine")]),
        }))
    });
    objects.collect()
}

fn edge(_: &str) -> Vec<ParentRef> {
    parents(json!([{"name": "edge", "namespace": "infra", "sectionName": "http"}]))
}

#[test]
fn htt_12_one_host_gives_the_route_that_cert_manager_would_make() {
    let routes = routes(&[("demo.example", "tok")], edge);
    assert_eq!(routes.len(), 1);
    // pkg/issuer/acme/http/httproute.go, generateHTTPRouteSpec
    assert_eq!(
        routes[0]["spec"],
        json!({
            "parentRefs": [{
                "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "namespace": "infra",
                "sectionName": "http",
            }],
            "hostnames": ["demo.example"],
            "rules": [{
                "matches": [{"path": {"type": "Exact", "value": "/.well-known/acme-challenge/tok"}}],
                "backendRefs": [{
                    "group": "", "kind": "Service", "name": "cm-acme-http-solver-certlet", "namespace": "shop",
                    "port": 8089, "weight": 1,
                }],
            }],
        })
    );
    assert_eq!(
        routes[0]["metadata"]["labels"],
        json!({
            "acme.cert-manager.io/http-domain": "509936832",
            "acme.cert-manager.io/http-token": "44564815",
            "acme.cert-manager.io/http01-solver": "true",
            "certlet/order-uid": "order-uid",
            "gateway": "open",
            "team": "red",
        })
    );
    assert_eq!(
        routes[0]["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "acme.cert-manager.io/v1", "kind": "Challenge", "name": "order-0", "uid": "uid-0",
            "controller": true, "blockOwnerDeletion": true,
        }])
    );
}

#[test]
fn an_address_has_a_route_without_hostname_and_names_have_another() {
    let routes = routes(
        &[
            ("a.example", "t1"),
            ("192.0.2.7", "t2"),
            ("b.example", "t3"),
            ("2001:db8::1", "t4"),
        ],
        edge,
    );
    assert_eq!(routes.len(), 2);
    let of = |hosted: bool| {
        let mut found = routes.iter();
        found
            .find(|route| route["spec"].get("hostnames").is_some() == hosted)
            .unwrap()
    };
    assert_eq!(of(true)["spec"]["hostnames"], json!(["a.example", "b.example"]));
    assert_eq!(of(true)["spec"]["rules"].as_array().unwrap().len(), 2);
    assert_eq!(of(false)["spec"]["rules"].as_array().unwrap().len(), 2);
    assert_ne!(of(true)["metadata"]["name"], of(false)["metadata"]["name"]);
}

#[test]
fn no_route_has_more_hostnames_than_the_gateway_api_allows() {
    let hosts: Vec<String> = (0..33).map(|n| format!("h{n:02}.example")).collect();
    let paths: Vec<(&str, &str)> = hosts.iter().map(|host| (host.as_str(), "t")).collect();
    let routes = routes(&paths, edge);
    let sizes = routes.iter().map(|route| {
        let hostnames = route["spec"]["hostnames"].as_array().unwrap().len();
        assert_eq!(route["spec"]["rules"].as_array().unwrap().len(), hostnames);
        assert_eq!(
            route["metadata"]["ownerReferences"].as_array().unwrap().len(),
            hostnames
        );
        hostnames
    });
    let sizes: Vec<usize> = sizes.collect();
    assert_eq!(sizes, [16, 16, 1]);
    let names: std::collections::BTreeSet<_> = routes.iter().map(|route| route["metadata"]["name"].as_str()).collect();
    assert_eq!(names.len(), 3);
}

#[test]
fn names_with_different_listeners_have_different_routes() {
    let listener = |host: &str| parents(json!([{"name": "edge", "sectionName": host.split('.').next()}]));
    let routes = routes(&[("a.example", "t1"), ("b.example", "t2")], listener);
    let sections: Vec<_> = routes
        .iter()
        .map(|route| {
            (
                &route["spec"]["hostnames"][0],
                &route["spec"]["parentRefs"][0]["sectionName"],
            )
        })
        .collect();
    assert_eq!(
        sections,
        [(&json!("a.example"), &json!("a")), (&json!("b.example"), &json!("b"))]
    );
}

#[test]
fn no_challenge_moves_to_another_route_when_others_are_finished() {
    let owned: Vec<(String, String)> = (0..40)
        .map(|n| (format!("h{n:02}.example"), format!("t{n:02}")))
        .collect();
    let paths: Vec<(&str, &str)> = owned
        .iter()
        .map(|(host, token)| (host.as_str(), token.as_str()))
        .collect();
    let hosts = |routes: &[Value]| -> Vec<(String, String)> {
        let each = routes.iter().flat_map(|route| {
            let hostnames = route["spec"]["hostnames"].as_array().unwrap().iter();
            hostnames.map(|host| {
                let name = &route["metadata"]["name"];
                (host.as_str().unwrap().to_owned(), name.as_str().unwrap().to_owned())
            })
        });
        let mut all: Vec<_> = each.collect();
        all.sort();
        all
    };
    let before = routes(&paths[..20], edge);
    let expected = hosts(&before);
    for open in [3..20, 17..20, 19..20, 0..17] {
        let after = hosts(&routes_after(&before, &paths[open.clone()], edge));
        assert_eq!(after, expected[open]);
    }
    // what is new takes the room, and moves nothing
    let after = routes_after(&before, &paths[3..40], edge);
    assert_eq!(hosts(&after)[..17], expected[3..]);
    let sizes = after
        .iter()
        .map(|route| route["spec"]["hostnames"].as_array().unwrap().len());
    assert_eq!(sizes.collect::<std::collections::BTreeSet<_>>(), [5, 16].into());
}
