use proptest::prelude::*;

use super::*;

const SERVICE: &str = "cm-acme-http-solver-certlet";

fn users_ingress() -> Ingress {
    serde_json::from_value(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
        "spec": {"rules": [
            {"host": "a.example", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
                {"path": "/.well-known/acme-challenge/old", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
            ]}},
            {"host": "bare.example"},
        ]},
    }))
    .unwrap()
}

fn paths_of(ingress: &Ingress) -> Vec<(Option<String>, Vec<String>)> {
    let rules = ingress.spec.as_ref().unwrap().rules.as_ref().unwrap();
    let paths = |rule: &k8s_openapi::api::networking::v1::IngressRule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.map(|path| path.path.clone().unwrap()).collect::<Vec<_>>()
    };
    rules.iter().map(|rule| (rule.host.clone(), paths(rule))).collect()
}

#[test]
fn paths_go_first_in_their_host_and_new_hosts_get_a_rule() {
    let challenges = [
        path("a.example", "one"),
        path("c.example", "two"),
        path("192.0.2.7", "three"),
    ];
    let edited = with_paths(&users_ingress(), &challenges, SERVICE, PathType::Exact).unwrap();
    let named = |text: &str| format!("/.well-known/acme-challenge/{text}");
    assert_eq!(
        paths_of(&edited),
        [
            (
                Some("a.example".to_owned()),
                vec![named("one"), "/".to_owned(), named("old")]
            ),
            (Some("bare.example".to_owned()), Vec::new()),
            (Some("c.example".to_owned()), vec![named("two")]),
            (None, vec![named("three")]),
        ]
    );
    assert_eq!(edited.metadata, users_ingress().metadata);
    assert_eq!(with_paths(&edited, &challenges, SERVICE, PathType::Exact), None);
}

#[test]
fn a_path_that_was_tampered_with_is_mended() {
    let challenges = [path("a.example", "one")];
    let edited = with_paths(
        &users_ingress(),
        &challenges,
        "cm-acme-http-solver-old",
        PathType::Prefix,
    )
    .unwrap();
    let mended = with_paths(&edited, &challenges, SERVICE, PathType::Exact).unwrap();
    let found: Vec<_> = solver_paths(&mended).collect();
    assert_eq!(
        found,
        [SolverPath {
            host: Some("a.example"),
            token: "one",
            service: SERVICE
        }]
    );
}

#[test]
fn what_was_added_is_taken_out_and_the_user_s_stays() {
    let challenges = [
        path("a.example", "one"),
        path("c.example", "two"),
        path("192.0.2.7", "three"),
    ];
    let edited = with_paths(&users_ingress(), &challenges, SERVICE, PathType::Exact).unwrap();
    assert_eq!(solver_paths(&edited).count(), 3);
    let all = without_paths(&edited, |found| challenges.iter().any(|challenge| found.is(challenge)));
    assert_eq!(all, Some(users_ingress()));
    let one = without_paths(&edited, |found| found.is(&challenges[1])).unwrap();
    assert_eq!(solver_paths(&one).count(), 2);
    assert_eq!(without_paths(&users_ingress(), |_| true), None);
}

#[test]
fn an_ingress_without_rules_gets_them_and_loses_them() {
    let empty: Ingress = serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}})).unwrap();
    let edited = with_paths(&empty, &[path("a.example", "one")], SERVICE, PathType::Exact).unwrap();
    let back = without_paths(&edited, |_| true).unwrap();
    assert_eq!(paths_of(&back), []);
    assert_eq!(without_paths(&empty, |_| true), None);
}

proptest! {
    #[test]
    fn adding_is_idempotent_and_removing_undoes_it(
        names in proptest::collection::btree_set("[abc]\\.example|192\\.0\\.2\\.[1-9]", 1..5),
        kind in 0_usize..3,
    ) {
        let challenges: Vec<_> = names.iter().enumerate().map(|(n, host)| path(host, &format!("t{n}"))).collect();
        let kind = [PathType::Exact, PathType::Prefix, PathType::ImplementationSpecific][kind];
        let edited = with_paths(&users_ingress(), &challenges, SERVICE, kind).unwrap();
        prop_assert_eq!(with_paths(&edited, &challenges, SERVICE, kind), None);
        prop_assert!(challenges.iter().all(|challenge| solver_paths(&edited).any(|found| found.is(challenge))));
        let back = without_paths(&edited, |found| challenges.iter().any(|challenge| found.is(challenge)));
        prop_assert_eq!(back, Some(users_ingress()));
    }
}
