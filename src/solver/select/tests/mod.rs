mod overrides;

use super::*;
use crate::api::dns01::Dns01;
use crate::api::http01::{Http01, Http01Ingress};

const BOTH: &[ChallengeType] = &[ChallengeType::Http01, ChallengeType::Dns01];

/// A solver named by its class, so that a test can say which one was chosen.
fn http(class: &str) -> Solver {
    let ingress = Http01Ingress {
        ingress_class_name: Some(class.to_owned()),
        ..Http01Ingress::default()
    };
    Solver {
        http01: Some(Http01 {
            ingress: Some(ingress),
            gateway_http_route: None,
        }),
        ..Solver::default()
    }
}

fn dns() -> Solver {
    Solver {
        dns01: Some(Dns01::default()),
        ..Solver::default()
    }
}

fn pairs(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

trait When: Sized {
    fn when(self, names: &[&str], zones: &[&str], labels: &[(&str, &str)]) -> Self;
}

impl When for Solver {
    fn when(self, names: &[&str], zones: &[&str], labels: &[(&str, &str)]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let selector = SolverSelector {
            dns_names: owned(names),
            dns_zones: owned(zones),
            match_labels: pairs(labels),
        };
        Self {
            selector: Some(selector),
            ..self
        }
    }
}

fn choose(solvers: &[Solver], identifier: &str, labels: &[(&str, &str)]) -> Result<usize, NoSolver> {
    let (labels, annotations) = (pairs(labels), BTreeMap::new());
    let order = OrderMeta {
        namespace: "shop",
        labels: &labels,
        annotations: &annotations,
    };
    let (identifier, wildcard) = parts(identifier);
    select(
        solvers,
        order,
        Wanted {
            identifier,
            wildcard,
            offered: BOTH,
            persist: false,
        },
    )
    .map(|selected| selected.index)
}

#[test]
fn sel_01_labels_names_and_zones_must_all_match() {
    let solver = [http("x").when(
        &["a.example.com"],
        &["example.com"],
        &[("team", "red"), ("tier", "web")],
    )];
    assert_eq!(
        choose(
            &solver,
            "a.example.com",
            &[("team", "red"), ("tier", "web"), ("more", "1")]
        ),
        Ok(0)
    );
    for (name, labels) in [
        ("a.example.com", &[("team", "red")][..]),
        ("a.example.com", &[("team", "blue"), ("tier", "web")][..]),
        ("b.example.com", &[("team", "red"), ("tier", "web")][..]),
    ] {
        assert!(
            matches!(choose(&solver, name, labels), Err(NoSolver::NoMatch(_))),
            "{name} {labels:?}"
        );
    }
}

#[test]
fn sel_01_a_zone_is_a_suffix_at_a_label_boundary() {
    let solver = [http("x").when(&[], &["example.com"], &[])];
    assert_eq!(choose(&solver, "example.com", &[]), Ok(0));
    assert_eq!(choose(&solver, "a.b.example.com", &[]), Ok(0));
    assert!(choose(&solver, "badexample.com", &[]).is_err());
    assert!(choose(&solver, "example.com.org", &[]).is_err());
}

/// As miekg/dns compares domain names, which cert-manager leaves it to.
#[test]
fn sel_01_neither_case_nor_a_final_dot_of_a_zone_matters() {
    for zone in ["example.com.", "Example.COM", "a.EXAMPLE.com."] {
        let solver = [http("x").when(&[], &[zone], &[])];
        assert_eq!(choose(&solver, "a.example.com", &[]), Ok(0), "{zone}");
        assert_eq!(choose(&solver, "A.Example.com", &[]), Ok(0), "{zone}");
        assert!(choose(&solver, "example.org", &[]).is_err(), "{zone}");
    }
    // a final dot is no further label: the more specific zone is still the one with more names
    let solvers = [
        http("short").when(&[], &["example.com."], &[]),
        http("long").when(&[], &["a.example.com"], &[]),
    ];
    assert_eq!(choose(&solvers, "b.a.example.com", &[]), Ok(1));
    for root in ["", "."] {
        assert!(choose(&[http("x").when(&[], &[root], &[])], "a.example.com", &[]).is_err());
    }
}

#[test]
fn sel_01_a_wildcard_is_matched_with_its_star() {
    let solvers = [
        dns().when(&["example.com"], &[], &[]),
        dns().when(&["*.example.com"], &[], &[]),
    ];
    let chosen = choose(&solvers, "*.example.com", &[]);
    assert!(
        matches!(
            chosen,
            Err(NoSolver::NotSupported {
                index: 1,
                kind: "dns01",
                ..
            })
        ),
        "{chosen:?}"
    );
}

#[test]
fn sel_02_a_named_domain_beats_a_zone_beats_labels() {
    let by_labels = http("labels").when(&[], &[], &[("a", "1"), ("b", "2")]);
    let by_zone = http("zone").when(&[], &["a.example.com"], &[]);
    let by_name = http("name").when(&["a.example.com"], &[], &[]);
    let labels = [("a", "1"), ("b", "2")];
    assert_eq!(
        choose(
            &[by_labels.clone(), by_zone.clone(), by_name.clone()],
            "a.example.com",
            &labels
        ),
        Ok(2)
    );
    assert_eq!(
        choose(&[by_name, by_zone.clone(), by_labels.clone()], "a.example.com", &labels),
        Ok(0)
    );
    assert_eq!(choose(&[by_labels.clone(), by_zone], "a.example.com", &labels), Ok(1));
    assert_eq!(choose(&[http("all"), by_labels], "a.example.com", &labels), Ok(1));
}

#[test]
fn sel_02_the_longer_zone_wins_and_labels_break_a_tie() {
    let short = http("short").when(&[], &["com", "example.com"], &[("a", "1"), ("b", "2")]);
    let long = http("long").when(&[], &["b.example.com"], &[]);
    let long_and_labelled = http("both").when(&[], &["b.example.com"], &[("a", "1")]);
    let labels = [("a", "1"), ("b", "2")];
    assert_eq!(
        choose(&[short.clone(), long.clone()], "a.b.example.com", &labels),
        Ok(1)
    );
    assert_eq!(
        choose(&[short, long, long_and_labelled], "a.b.example.com", &labels),
        Ok(2)
    );
}

#[test]
fn sel_02_when_both_name_the_domain_zones_then_labels_decide() {
    let name = http("a").when(&["a.example.com", "b.example.com"], &[], &[("a", "1"), ("b", "2")]);
    let name_and_zone = http("b").when(&["a.example.com"], &["example.com"], &[]);
    let labels = [("a", "1"), ("b", "2")];
    assert_eq!(choose(&[name, name_and_zone.clone()], "a.example.com", &labels), Ok(1));
    let with_label = http("c").when(&["a.example.com"], &["example.com"], &[("a", "1")]);
    assert_eq!(choose(&[name_and_zone, with_label], "a.example.com", &labels), Ok(1));
}

#[test]
fn sel_02_among_equals_the_first_stays_and_an_empty_selector_is_no_better_than_none() {
    let empty = http("empty").when(&[], &[], &[]);
    assert_eq!(choose(&[http("a"), http("b")], "x.example", &[]), Ok(0));
    assert_eq!(choose(&[http("a"), empty.clone()], "x.example", &[]), Ok(0));
    assert_eq!(choose(&[empty, http("a")], "x.example", &[]), Ok(0));
    let zone = http("zone").when(&[], &["x.example"], &[]);
    assert_eq!(choose(&[zone.clone(), zone], "x.example", &[]), Ok(0));
}

#[test]
fn sel_03_the_type_must_be_one_that_the_ca_offers() {
    let (labels, annotations) = (BTreeMap::new(), BTreeMap::new());
    let order = OrderMeta {
        namespace: "shop",
        labels: &labels,
        annotations: &annotations,
    };
    let solvers = [dns(), http("x")];
    let http_only = Wanted {
        identifier: "a.example",
        wildcard: false,
        offered: &[ChallengeType::Http01],
        persist: false,
    };
    assert_eq!(select(&solvers, order, http_only).unwrap().index, 1);
    let nothing = Wanted {
        offered: &[],
        persist: false,
        ..http_only
    };
    assert_eq!(
        select(&solvers, order, nothing),
        Err(NoSolver::NotOffered("a.example".to_owned()))
    );
}

#[test]
fn sel_03_a_wildcard_needs_dns01_and_an_address_http01() {
    let wildcard = choose(&[http("x")], "*.example.com", &[]).unwrap_err();
    assert_eq!(wildcard, NoSolver::WildcardNeedsDns01("*.example.com".to_owned()));
    assert!(wildcard.to_string().contains("DNS-01 only"));
    assert_eq!(choose(&[dns(), http("x")], "192.0.2.7", &[]), Ok(1));
    assert_eq!(choose(&[dns(), http("x")], "2001:db8::1", &[]), Ok(1));
    let address = choose(&[dns()], "192.0.2.7", &[]).unwrap_err();
    assert_eq!(address, NoSolver::AddressNeedsHttp01("192.0.2.7".to_owned()));
}

#[test]
fn what_is_chosen_but_not_there_yet_is_named_and_not_passed_over() {
    let error = choose(&[http("x"), dns().when(&["a.example"], &[], &[])], "a.example", &[]).unwrap_err();
    assert!(
        error.to_string().contains("spec.acme.solvers[1]") && error.to_string().contains("dns01"),
        "{error}"
    );
}

#[test]
fn no_solver_at_all_says_so() {
    assert_eq!(choose(&[], "a.example", &[]), Err(NoSolver::NoneConfigured));
    let empty = Solver {
        http01: Some(Http01::default()),
        ..Solver::default()
    };
    assert_eq!(
        choose(&[empty], "a.example", &[]),
        Err(NoSolver::NotOffered("a.example".to_owned()))
    );
}

fn persist(config: serde_json::Value) -> Solver {
    let webhook = crate::api::dns01::Webhook {
        config: Some(config),
        group_name: "certlet.io".to_owned(),
        solver_name: "dns-persist".to_owned(),
    };
    Solver {
        dns01: Some(Dns01 {
            webhook: Some(webhook),
            ..Dns01::default()
        }),
        ..Solver::default()
    }
}

#[test]
fn dns_persist_is_chosen_only_where_the_ca_offers_it() {
    let none = BTreeMap::new();
    let order = OrderMeta {
        namespace: "shop",
        labels: &none,
        annotations: &none,
    };
    let choose = |solvers: &[Solver], offered, persist, identifier| {
        let wanted = Wanted {
            identifier,
            wildcard: false,
            offered,
            persist,
        };
        select(solvers, order, wanted).map(|selected| (selected.index, selected.method))
    };
    let settings = Method::DnsPersist(DnsPersist::default());
    let empty = || persist(serde_json::Value::Null);
    let name = "a.example.com";
    // whatever else is offered
    for offered in [BOTH, &[]] {
        assert_eq!(choose(&[empty()], offered, true, name), Ok((0, settings.clone())));
        let refused = choose(&[empty()], offered, false, name).unwrap_err().to_string();
        assert!(
            refused.contains("this CA does not offer dns-persist-01 for a.example.com"),
            "{refused}"
        );
    }
    let behind = choose(&[empty(), http("x")], BOTH, false, name).unwrap();
    assert_eq!(behind.0, 1);
    assert_eq!(
        choose(&[http("x"), empty().when(&[name], &[], &[])], BOTH, true, name),
        Ok((1, settings))
    );
    let elsewhere = [empty(), http("x").when(&["b.example.com"], &[], &[])];
    let refused = choose(&elsewhere, BOTH, false, name).unwrap_err();
    assert_eq!(refused, NoSolver::PersistNotOffered(name.to_owned()));
    assert!(matches!(
        choose(&[empty()], BOTH, true, "192.0.2.1"),
        Err(NoSolver::AddressNeedsHttp01(_))
    ));
    let wrong = choose(&[persist(serde_json::json!({"policy": 1}))], BOTH, true, name)
        .unwrap_err()
        .to_string();
    assert!(
        wrong.starts_with("spec.acme.solvers[0] is the one for a.example.com, and the config of the solver certlet.io/dns-persist has a policy"),
        "{wrong}"
    );
}
