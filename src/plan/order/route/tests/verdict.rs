use super::*;
use crate::api::gateway::RouteParentStatus;

/// The status that the controller of this parent wrote.
fn answered(parent: &ParentSeen, of: Value) -> Vec<RouteParentStatus> {
    vec![RouteParentStatus {
        parent_ref: ParentRef {
            group: Some("gateway.networking.k8s.io".to_owned()),
            kind: Some("Gateway".to_owned()),
            ..parent.reference.clone()
        },
        controller_name: "traefik.io/gateway-controller".to_owned(),
        conditions: conditions(of),
    }]
}

fn refused(reason: &str) -> Value {
    json!([
        {"type": "Accepted", "status": "False", "reason": reason, "message": "", "observedGeneration": 2},
        {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", "observedGeneration": 2},
    ])
}

fn unresolved(reason: &str, message: &str) -> Value {
    json!([
        {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""},
        {"type": "ResolvedRefs", "status": "False", "reason": reason, "message": message},
    ])
}

fn accepted() -> Value {
    json!([
        {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 2},
        {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", "observedGeneration": 2},
    ])
}

fn verdict_of(parent: &ParentSeen, answers: &[RouteParentStatus], host: Option<&str>) -> RouteVerdict {
    let route = ObjectKey::new("shop", ROUTE);
    verdict(&route, 2, answers, std::slice::from_ref(parent), host)
}

fn sentence(verdict: RouteVerdict) -> String {
    match verdict {
        RouteVerdict::Silent(sentence) | RouteVerdict::Refused(sentence) => sentence,
        RouteVerdict::Accepted(hint) => panic!("accepted: {hint:?}"),
    }
}

/// Reason, Gateway, and parts of the sentence.
type Refusal = (&'static str, ParentSeen, &'static [&'static str]);

#[rustfmt::skip]
fn refusals() -> [Refusal; 8] {
    [
        (
            "NotAllowedByListeners",
            gateway(&json!({"sectionName": "web"}), vec![http("web", "", "Same"), https("tls")]),
            &[
                "Gateway infra/web does not accept HTTPRoute shop/cm-acme-http-solver-1 (NotAllowedByListeners)",
                "listener \"web\" admits routes of namespace infra only",
                "set its allowedRoutes.namespaces.from to All, or to Selector with a label of namespace shop",
            ],
        ),
        (
            "NotAllowedByListeners",
            gateway(&json!({}), vec![http("web", "", "Selector")]),
            &["listener \"web\" admits routes of namespaces with certain labels only", "label namespace shop"],
        ),
        (
            "NotAllowedByListeners",
            gateway(
                &json!({}),
                vec![listener(json!({
                    "name": "web", "port": 80, "protocol": "HTTP",
                    "allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]},
                }))],
            ),
            &["listener \"web\" does not admit HTTPRoutes: add the kind to its allowedRoutes.kinds"],
        ),
        (
            // Traefik says so for a listener on a port that it does not serve
            "NotAllowedByListeners",
            gateway(&json!({}), vec![http("web", "", "All")]).changed(|offered| {
                offered.statuses = vec![ListenerStatus {
                    name: "web".to_owned(),
                    conditions: conditions(json!([
                        {"type": "Accepted", "status": "False", "reason": "PortUnavailable", "message": "no entry point"}
                    ])),
                    ..ListenerStatus::default()
                }];
            }),
            &["listener \"web\" is not served (PortUnavailable: no entry point)"],
        ),
        (
            "NoMatchingListenerHostname",
            gateway(&json!({}), vec![http("web", "*.other.example", "All"), https("tls")]),
            &[
                "no listener of Gateway infra/web has a hostname that matches a.example (NoMatchingListenerHostname; \
                 listener \"web\" has \"*.other.example\")",
                "change the hostname of a listener",
            ],
        ),
        (
            "NoMatchingParent",
            gateway(&json!({"sectionName": "wbe"}), vec![http("web", "", "All"), https("tls")]),
            &[
                "Gateway infra/web has no listener \"wbe\" (NoMatchingParent; its listeners: \"web\" (HTTP, port 80), \"tls\" \
                 (HTTPS, port 443))",
                "change sectionName in http01.gatewayHTTPRoute.parentRefs of the solver",
            ],
        ),
        (
            "NoMatchingParent",
            gateway(&json!({"port": 8080}), vec![http("web", "", "All")]),
            &["Gateway infra/web has no listener on port 8080", "change port in http01.gatewayHTTPRoute.parentRefs"],
        ),
        (
            // Traefik says so of a listener whose Secret does not exist yet
            "NoMatchingParent",
            gateway(&json!({"sectionName": "tls"}), vec![https("tls")]).changed(|offered| {
                offered.statuses = vec![ListenerStatus {
                    name: "tls".to_owned(),
                    conditions: conditions(json!([
                        {"type": "ResolvedRefs", "status": "False", "reason": "InvalidCertificateRef", "message": "no Secret"}
                    ])),
                    ..ListenerStatus::default()
                }];
            }),
            &[
                "listener \"tls\" has protocol HTTPS, and CAs ask with HTTP on port 80",
                "listener \"tls\" is not served (InvalidCertificateRef: no Secret)",
            ],
        ),
    ]
}

#[test]
fn a_refusal_names_the_object_and_the_field_to_edit() {
    for (reason, parent, parts) in refusals() {
        let found = verdict_of(&parent, &answered(&parent, refused(reason)), Some("a.example"));
        let RouteVerdict::Refused(sentence) = found else {
            panic!("{reason}: {found:?}")
        };
        for part in parts {
            assert!(sentence.contains(part), "{sentence}\nshould contain\n{part}");
        }
    }
}

#[test]
fn a_reference_that_is_not_resolved_may_be_a_moment_later() {
    let parent = gateway(&json!({}), vec![http("web", "", "All")]);
    for (reason, message, part) in [
        (
            "RefNotPermitted",
            "missing ReferenceGrant",
            "create a ReferenceGrant in the namespace of the Service",
        ),
        (
            "BackendNotFound",
            "endpointslices not found",
            "(BackendNotFound: endpointslices not found)",
        ),
        (
            "Unheard",
            "",
            "its controller cannot use the solver's Service (Unheard)",
        ),
    ] {
        let found = verdict_of(
            &parent,
            &answered(&parent, unresolved(reason, message)),
            Some("a.example"),
        );
        assert!(
            matches!(&found, RouteVerdict::Silent(sentence) if sentence.contains(part)),
            "{found:?}"
        );
    }
    let partial = json!([
        {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""},
        {"type": "PartiallyInvalid", "status": "True", "reason": "UnsupportedValue", "message": "Dropped Rule"},
    ]);
    let found = sentence(verdict_of(&parent, &answered(&parent, partial), Some("a.example")));
    assert!(
        found.contains("serves only a part of HTTPRoute shop/cm-acme-http-solver-1 (UnsupportedValue: Dropped Rule)"),
        "{found}"
    );
}

#[test]
fn silence_is_told_apart_from_a_missing_gateway_and_from_a_class_that_nobody_serves() {
    let parent = gateway(&json!({}), vec![http("web", "", "All")]);
    let found = verdict_of(&parent, &[], Some("a.example"));
    assert!(
        matches!(&found, RouteVerdict::Silent(sentence)
            if *sentence == format!("the controller of Gateway infra/web has not reported on HTTPRoute shop/{ROUTE}")),
        "{found:?}"
    );
    // as the API server's defaults leave it
    let unserved = parent.clone().changed(|offered| {
        offered.conditions = conditions(json!([
            {"type": "Accepted", "status": "Unknown", "reason": "Pending", "message": "Waiting for controller"}
        ]));
    });
    let found = verdict_of(&unserved, &[], Some("a.example"));
    assert!(
        matches!(&found, RouteVerdict::Silent(sentence)
            if sentence.starts_with("no controller has reported on Gateway infra/web, whose GatewayClass is \"edge\"")),
        "{found:?}"
    );
    let mut missing = parent.clone();
    missing.found = ParentFound::Missing;
    assert_eq!(
        verdict_of(&missing, &[], Some("a.example")),
        RouteVerdict::Refused(
            "Gateway infra/web does not exist: create it, or edit http01.gatewayHTTPRoute.parentRefs of the solver"
                .to_owned()
        )
    );
    let mut set = parent.clone().changed(|offered| {
        offered.class = None;
        offered.conditions = conditions(json!([
            {"type": "Accepted", "status": "False", "reason": "NotAllowed", "message": "not in allowedListeners"}
        ]));
    });
    set.reference.kind = Some("ListenerSet".to_owned());
    let found = verdict_of(&set, &[], None);
    assert!(
        matches!(&found, RouteVerdict::Refused(sentence) if sentence.starts_with(
            "ListenerSet infra/web is not accepted by its Gateway (NotAllowed: not in allowedListeners): edit allowedListeners"
        )),
        "{found:?}"
    );
    // an answer about an earlier generation is none
    let old = json!([{"type": "Accepted", "status": "False", "reason": "NoMatchingParent", "observedGeneration": 1}]);
    assert!(matches!(
        verdict_of(&parent, &answered(&parent, old), None),
        RouteVerdict::Silent(_)
    ));
    let pending = json!([{"type": "Accepted", "status": "False", "reason": "Pending"}]);
    assert!(matches!(
        verdict_of(&parent, &answered(&parent, pending), None),
        RouteVerdict::Silent(_)
    ));
}

#[test]
fn an_accepted_route_needs_a_listener_for_the_host_and_port_80_nevertheless() {
    let parent = gateway(&json!({}), vec![http("web", "", "All")]);
    assert_eq!(
        verdict_of(&parent, &answered(&parent, accepted()), Some("a.example")),
        RouteVerdict::Accepted(None)
    );
    // Traefik accepts a route of which one of two hostnames matches
    let narrow = gateway(&json!({}), vec![http("web", "b.example", "All")]);
    let found = verdict_of(&narrow, &answered(&narrow, accepted()), Some("a.example"));
    assert!(
        matches!(&found, RouteVerdict::Refused(sentence) if sentence.contains("a hostname that matches a.example")),
        "{found:?}"
    );
    let address = sentence(verdict_of(&narrow, &answered(&narrow, accepted()), None));
    assert!(
        address.contains("has no hostname, which an IP address needs"),
        "{address}"
    );
    let port = listener(json!({
        "name": "web", "port": 8080, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}},
    }));
    let other = gateway(&json!({}), vec![port]);
    let found = verdict_of(&other, &answered(&other, accepted()), Some("a.example"));
    assert!(
        matches!(&found, RouteVerdict::Accepted(Some(hint)) if hint.contains("has no listener for HTTP on port 80")),
        "{found:?}"
    );
}

#[test]
fn of_several_parents_one_that_serves_is_enough() {
    let good = gateway(&json!({}), vec![http("web", "", "All")]);
    let mut bad = gateway(&json!({"name": "other"}), vec![http("web", "", "Same")]);
    bad.reference.kind = Some("Gateway".to_owned());
    let answers = [
        answered(&bad, refused("NotAllowedByListeners")),
        answered(&good, accepted()),
    ]
    .concat();
    let route = ObjectKey::new("shop", ROUTE);
    let both = [bad.clone(), good];
    assert_eq!(
        verdict(&route, 2, &answers, &both, Some("a.example")),
        RouteVerdict::Accepted(None)
    );
    let found = verdict(
        &route,
        2,
        &answered(&bad, refused("NotAllowedByListeners")),
        &both,
        None,
    );
    let RouteVerdict::Silent(sentence) = found else {
        panic!("{found:?}")
    };
    assert!(
        sentence.contains("Gateway infra/other does not accept") && sentence.contains("; the controller of"),
        "{sentence}"
    );
}

#[test]
fn messages_of_controllers_are_sanitised_and_bounded() {
    let parent = gateway(
        &json!({"sectionName": "x\u{202e}y"}),
        (0..64).map(|n| http(&format!("l{n}"), "", "All")).collect(),
    );
    let hostile = json!([{
        "type": "Accepted", "status": "False", "reason": "NoMatchingParent", "message": "\u{1b}[2J".repeat(10_000),
    }]);
    let found = sentence(verdict_of(&parent, &answered(&parent, hostile), None));
    assert!(
        found.len() < 4000 && !found.contains(['\u{1b}', '\u{202e}']),
        "{} {found}",
        found.len()
    );
    assert!(found.contains("and 59 more"), "{found}");
}
