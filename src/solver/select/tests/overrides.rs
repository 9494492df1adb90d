//! What annotations of the Order change of a solver.

use super::*;
use crate::api::http01::GatewayHttpRoute;

/// How HTTP-01 is routed by a solver for an Order with these annotations, and the solver of its Challenge.
fn routed(solver: Solver, annotations: &[(&str, &str)]) -> Result<(Routing, Solver), NoSolver> {
    let (labels, annotations) = (BTreeMap::new(), pairs(annotations));
    let order = OrderMeta {
        namespace: "shop",
        labels: &labels,
        annotations: &annotations,
    };
    let wanted = Wanted {
        identifier: "a.example",
        wildcard: false,
        offered: BOTH,
        persist: false,
    };
    let selected = select(&[solver], order, wanted)?;
    let Method::Http01(routing) = selected.method else {
        panic!("{:?}", selected.method)
    };
    Ok((*routing, selected.solver))
}

fn overridden(annotations: &[(&str, &str)]) -> Result<Http01Ingress, NoSolver> {
    let mut solver = http("configured");
    if let Some(ingress) = solver.http01.as_mut().and_then(|http01| http01.ingress.as_mut()) {
        ingress.service_type = Some("ClusterIP".to_owned());
    }
    let (routing, solver) = routed(solver, annotations)?;
    let Routing::Ingress(ingress) = routing else {
        panic!("{routing:?}")
    };
    assert_eq!(solver.http01.unwrap().ingress.as_ref(), Some(&ingress));
    Ok(ingress)
}

#[test]
fn ano_02_one_override_clears_the_other_two_and_keeps_the_rest() {
    let kept = Http01Ingress {
        service_type: Some("ClusterIP".to_owned()),
        ..Http01Ingress::default()
    };
    assert_eq!(
        overridden(&[]).unwrap().ingress_class_name.as_deref(),
        Some("configured")
    );
    assert_eq!(
        overridden(&[("acme.cert-manager.io/http01-override-ingress-name", "mine")]).unwrap(),
        Http01Ingress {
            name: Some("mine".to_owned()),
            ..kept.clone()
        }
    );
    assert_eq!(
        overridden(&[("acme.cert-manager.io/http01-override-ingress-class", "c")]).unwrap(),
        Http01Ingress {
            class: Some("c".to_owned()),
            ..kept.clone()
        }
    );
    assert_eq!(
        overridden(&[("acme.cert-manager.io/http01-override-ingress-ingressclassname", "n")]).unwrap(),
        Http01Ingress {
            ingress_class_name: Some("n".to_owned()),
            ..kept
        }
    );
}

#[test]
fn ano_02_two_overrides_are_refused() {
    let both = [
        ("acme.cert-manager.io/http01-override-ingress-name", "a"),
        ("acme.cert-manager.io/http01-override-ingress-class", "b"),
    ];
    assert_eq!(overridden(&both), Err(NoSolver::ConflictingOverrides));
}

/// The parents of the HTTPRoute, by a solver with these, and these annotations of the Order.
fn parents(of_solver: &serde_json::Value, annotations: &[(&str, &str)]) -> Result<serde_json::Value, NoSolver> {
    let route = serde_json::json!({"http01": {"gatewayHTTPRoute": {"labels": {"a": "b"}, "parentRefs": of_solver}}});
    let solver: Solver = serde_json::from_value(route).unwrap();
    let (routing, solver) = routed(solver, annotations)?;
    let Routing::HttpRoute(route) = routing else {
        panic!("{routing:?}")
    };
    // the Challenge's spec.solver has the override, too
    let of_challenge: Option<GatewayHttpRoute> = solver.http01.unwrap().gateway_http_route;
    assert_eq!(of_challenge.as_ref(), Some(&route));
    Ok(serde_json::to_value(&route.parent_refs).unwrap())
}

const KIND: (&str, &str) = ("acme.cert-manager.io/http01-parentrefkind", "Gateway");
const NAME: (&str, &str) = ("acme.cert-manager.io/http01-parentrefname", "edge");

#[test]
fn ano_03_the_parent_of_the_annotations_is_added_and_replaces_an_equal_one() {
    use serde_json::json;
    let namespace = |of: &'static str| ("acme.cert-manager.io/http01-parentrefnamespace", of);
    let ours = json!({"kind": "Gateway", "name": "edge", "namespace": "shop"});
    let elsewhere = json!({"kind": "Gateway", "name": "edge", "namespace": "infra"});
    let other = json!({"kind": "Gateway", "name": "other"});
    let section = json!({"kind": "Gateway", "name": "edge", "namespace": "infra", "sectionName": "web", "port": 81});
    // as cert-manager's applyGatewayAPIAnnotationParentRefOverride
    for (of_solver, annotations, expected) in [
        (json!([other]), vec![], json!([other])),
        (json!([]), vec![KIND, NAME], json!([ours])),
        (json!([]), vec![KIND, NAME, namespace("")], json!([ours])),
        (json!([]), vec![KIND, NAME, namespace("infra")], json!([elsewhere])),
        (json!([other]), vec![KIND, NAME], json!([other, ours])),
        (
            json!([section, other]),
            vec![KIND, NAME, namespace("infra")],
            json!([other, elsewhere]),
        ),
        (
            json!([{"name": "edge", "namespace": "shop"}]),
            vec![KIND, NAME],
            json!([ours]),
        ),
        // without a namespace it is not equal, although it is the same
        (
            json!([{"name": "edge"}]),
            vec![KIND, NAME],
            json!([{"name": "edge"}, ours]),
        ),
        (
            json!([{"kind": "ListenerSet", "name": "edge", "namespace": "shop"}]),
            vec![KIND, NAME],
            json!([{"kind": "ListenerSet", "name": "edge", "namespace": "shop"}, ours]),
        ),
    ] {
        assert_eq!(
            parents(&of_solver, &annotations),
            Ok(expected),
            "{of_solver} {annotations:?}"
        );
    }
}

#[test]
fn gws_06_half_an_annotation_and_no_parent_at_all_are_refused_with_cert_managers_words() {
    use serde_json::json;
    for one in [KIND, NAME] {
        let error = parents(&json!([{"name": "x"}]), &[one]).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot specify only one of parentRefName, parentRefKind override annotations"),
            "{error}"
        );
    }
    let error = parents(&json!([]), &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("must specify parentRefs either through annotations or solver config"),
        "{error}"
    );
}
