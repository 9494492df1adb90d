//! `certlet.io/hostnames-from-routes`: names of HTTPRoutes in the certificates of Gateways and ListenerSets.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::gateway_scene::{GatewayScene, a_gateway, listener, route};
use crate::plan::{
    route::RouteSeen,
    seen::ObjectKey,
    shim::{ShimEffect, ShimPlan},
};

const FROM_ROUTES: &str = "certlet.io/hostnames-from-routes";
const RENEWAL: Timestamp = Timestamp::constant(5_000_000, 0);

fn asking() -> GatewayScene {
    a_gateway()
        .annotated("cert-manager.io/issuer", "le")
        .annotated(FROM_ROUTES, "true")
        .listener(listener("*.example.com", "t"))
}

fn gateway() -> Value {
    json!({"name": "web"})
}

fn of_namespace(namespace: &str, mut route: RouteSeen) -> RouteSeen {
    route.meta.key = ObjectKey::new(namespace, &*route.meta.key.name);
    let mut parent = route.parent_refs[0].clone();
    parent.namespace = Some("shop".into());
    route.parents[0].parent_ref = parent.clone();
    route.parent_refs = Box::new([parent]);
    route
}

fn is_empty(scene: &GatewayScene) -> bool {
    let plan = scene.plan();
    plan.effects.is_empty() && plan.complaints.is_empty() && plan.waiting.len() == 1
}

#[test]
fn it_is_off_by_default_and_names_of_routes_are_not_read() {
    let scene = a_gateway()
        .annotated("cert-manager.io/issuer", "le")
        .listener(listener("*.example.com", "t"))
        .routed(route("r", &gateway(), &["a.example.com"]));
    assert_eq!(scene.created().spec.dns_names, ["*.example.com"]);
    assert_eq!(
        scene.annotated(FROM_ROUTES, "false").created().spec.dns_names,
        ["*.example.com"]
    );
}

#[test]
fn names_within_the_hostname_of_the_listener_are_taken_and_no_wildcards() {
    let scene = asking().routed(route(
        "r",
        &gateway(),
        &[
            "b.example.com",
            "A.Example.com",
            "x.b.example.com",
            "*.b.example.com",
            "example.com",
            "a.example.org",
        ],
    ));
    assert_eq!(
        scene.created().spec.dns_names,
        ["a.example.com", "b.example.com", "x.b.example.com"]
    );
}

#[test]
fn an_exact_hostname_stays_and_a_listener_without_hostname_takes_all() {
    let scene = asking()
        .no_listeners()
        .listener(listener("a.example.com", "t"))
        .routed(route("r", &gateway(), &["a.example.com", "b.example.com"]));
    assert_eq!(scene.created().spec.dns_names, ["a.example.com"]);
    let mut any = listener("", "t");
    any["hostname"] = json!(null);
    let scene =
        asking()
            .no_listeners()
            .listener(any)
            .routed(route("r", &gateway(), &["a.example.org", "b.example.com"]));
    assert_eq!(scene.created().spec.dns_names, ["a.example.org", "b.example.com"]);
}

#[test]
fn without_a_route_there_is_no_certificate_and_an_event_says_what_is_missing() {
    let plan = asking().plan();
    assert_eq!((plan.effects.len(), plan.complaints.len()), (0, 0));
    assert_eq!(
        plan.waiting,
        [
            "Secret \"t\": no accepted HTTPRoute has a hostname within \"*.example.com\"; the Certificate is created when one has"
        ]
    );
}

#[test]
fn only_accepted_routes_of_this_generation_and_this_parent_count() {
    let not_accepted = |edit: fn(&mut RouteSeen)| {
        let mut found = route("r", &gateway(), &["a.example.com"]);
        edit(&mut found);
        found
    };
    let rows = [
        not_accepted(|it| it.parents[0].conditions[0].status = crate::api::ConditionStatus::False),
        not_accepted(|it| it.parents[0].conditions.clear()),
        not_accepted(|it| it.parents = Box::new([])),
        not_accepted(|it| it.meta.generation = 2),
        not_accepted(|it| it.parents[0].parent_ref.name = "other".into()),
        not_accepted(|it| it.parents[0].parent_ref.namespace = Some("other".into())),
        not_accepted(|it| it.parents[0].parent_ref.kind = Some("ListenerSet".into())),
        not_accepted(|it| it.parents[0].parent_ref.group = Some("example.com".into())),
        not_accepted(|it| it.parents[0].parent_ref.section_name = Some("http".into())),
        not_accepted(|it| it.parents[0].parent_ref.port = Some(80)),
        not_accepted(|it| it.meta.labels = [("acme.cert-manager.io/http01-solver", "true")].into_iter().collect()),
    ];
    for (row, route) in rows.into_iter().enumerate() {
        assert!(is_empty(&asking().routed(route)), "row {row}");
    }
    let without_generation = not_accepted(|it| it.parents[0].conditions[0].observed_generation = None);
    assert_eq!(
        asking().routed(without_generation).created().spec.dns_names,
        ["a.example.com"]
    );
}

/// The condition Accepted says nothing about a single listener where a parentRef selects several.
#[test]
fn a_route_of_a_tenant_adds_no_name_to_a_listener_that_does_not_allow_its_namespace() {
    let tenant = of_namespace("tenant", route("r", &gateway(), &["a.example.com"]));
    let open = json!({
        "name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}
    });
    let both = asking().listener(open.clone()).routed(tenant.clone());
    assert!(is_empty(&both));
    for (from, allowed) in [("All", true), ("Same", false), ("None", false), ("Selector", false)] {
        let mut https = listener("*.example.com", "t");
        https["allowedRoutes"] = json!({"namespaces": {"from": from}});
        let scene = asking().no_listeners().listener(https.clone()).listener(open.clone());
        assert_eq!(is_empty(&scene.clone().routed(tenant.clone())), !allowed, "{from}");
        https["allowedRoutes"]["kinds"] = json!([{"kind": "GRPCRoute"}]);
        let scene = asking().no_listeners().listener(https).listener(open.clone());
        assert!(is_empty(&scene.routed(tenant.clone())), "{from}");
    }
    // A reference to this very listener: its controller has decided by labels of namespaces, which certlet does not read. All else certlet
    // decides, because any user with the right to write a status can write Accepted.
    let named = of_namespace(
        "tenant",
        route("r", &json!({"name": "web", "sectionName": "https"}), &["a.example.com"]),
    );
    for (from, allowed) in [("All", true), ("Same", false), ("None", false), ("Selector", true)] {
        let mut https = listener("*.example.com", "t");
        https["allowedRoutes"] = json!({"namespaces": {"from": from}});
        let scene = asking().no_listeners().listener(https.clone()).listener(open.clone());
        assert_eq!(is_empty(&scene.routed(named.clone())), !allowed, "{from}");
        https["allowedRoutes"]["kinds"] = json!([{"kind": "GRPCRoute"}]);
        let scene = asking().no_listeners().listener(https).listener(open.clone());
        assert!(is_empty(&scene.routed(named.clone())), "{from}");
    }
}

#[test]
fn of_too_many_routes_each_namespace_has_a_share_and_an_event_says_so() {
    let mut scene = asking();
    let mut https = listener("*.example.com", "t");
    https["allowedRoutes"] = json!({"namespaces": {"from": "All"}});
    scene = scene.no_listeners().listener(https);
    for number in 0..1200 {
        let name = format!("a{number:04}.example.com");
        let mut flood = of_namespace("flood", route(&format!("r{number}"), &gateway(), &[&name]));
        flood.meta.created = Timestamp::from_second(number).unwrap();
        scene = scene.routed(flood);
    }
    let mut late = of_namespace("late", route("r", &gateway(), &["0.example.com"]));
    late.meta.created = Timestamp::from_second(5000).unwrap();
    let scene = scene.routed(late);
    let plan = scene.plan();
    let [ShimEffect::Create(wanted)] = &plan.effects[..] else {
        panic!("{:?}", plan.effects)
    };
    assert_eq!(wanted.spec.dns_names[..2], ["0.example.com", "a0000.example.com"]);
    assert_eq!(
        plan.complaints[0],
        "201 of the accepted HTTPRoutes give no hostnames, because Gateway \"web\" takes them from at most 1000, from each namespace the \
         oldest; use more Gateways or ListenerSets"
    );
    assert!(
        plan.complaints[1].starts_with("Secret \"t\": 900 hostnames"),
        "{}",
        plan.complaints[1]
    );
}

/// Adds and removes routes as a hostile tenant does, each time after so many seconds for a day, and counts the orders.
fn orders_of_a_toggling_tenant(mut scene: GatewayScene, is_ready: bool, every: usize) -> usize {
    let mut orders = 0;
    let kept = scene.routes.len();
    for step in (0..86_400_i64).step_by(every) {
        scene.now = Timestamp::from_second(step).unwrap();
        scene.routes.truncate(kept);
        let name = format!("t{step:05}.example.com");
        scene = scene.routed(route("toggled", &gateway(), &[&name]));
        let plan = scene.plan();
        orders += plan.effects.len();
        if plan.effects.is_empty() {
            assert!(plan.again.is_some_and(|again| again > scene.now), "step {step}");
        }
        for effect in plan.effects {
            super::apply(&mut scene.certificates, effect);
        }
        if is_ready {
            scene = scene.issued_until(RENEWAL);
        }
    }
    orders
}

#[test]
fn a_tenant_who_toggles_names_causes_a_few_orders_a_day() {
    let base = asking().routed(route("b", &gateway(), &["b.example.com"])).applied();
    // 3 in the first minute, then after 1, 2, 4, 8, 16 and 32 minutes, and one each hour
    for is_ready in [true, false] {
        let orders = orders_of_a_toggling_tenant(base.clone(), is_ready, 20);
        assert!((25..=34).contains(&orders), "{orders}");
    }
}

#[test]
fn with_all_hundred_places_taken_toggling_causes_no_more_orders() {
    let hostnames: Vec<String> = (0..99).map(|number| format!("n{number:03}.example.com")).collect();
    let hostnames: Vec<&str> = hostnames.iter().map(String::as_str).collect();
    let full = asking().routed(route("b", &gateway(), &hostnames)).applied();
    let orders = orders_of_a_toggling_tenant(full.issued_until(RENEWAL), true, 60);
    assert!(orders <= 34, "{orders}");
}

#[test]
fn a_change_that_waits_keeps_the_names_and_says_until_when() {
    let mut scene = asking().routed(route("b", &gateway(), &["b.example.com"])).applied();
    for name in ["c.example.com", "d.example.com", "e.example.com"] {
        scene = scene.routed(route(name, &gateway(), &[name])).applied();
    }
    assert_eq!(scene.names().len(), 4, "a rollout does not wait");
    let mut scene = scene.routed(route("f", &gateway(), &["f.example.com"]));
    scene.now = Timestamp::from_second(30).unwrap();
    let plan = scene.plan();
    assert_eq!(
        (plan.effects.len(), plan.again),
        (0, Some(Timestamp::from_second(60).unwrap()))
    );
    assert_eq!(
        plan.waiting,
        [
            "Secret \"t\": the hostnames of HTTPRoutes have changed; the Certificate follows at 1970-01-01T00:01:00Z, because they change \
             often and each change is an order"
        ]
    );
    // an edit by the owner of the Gateway does not wait, and takes no names along
    let mut other = listener("z.example.org", "t");
    other["name"] = json!("other");
    let edited = scene.clone().listener(other).applied();
    assert_eq!(edited.names().len(), 5);
    assert!(!edited.names().contains(&"f.example.com".to_owned()));
    scene.now = Timestamp::from_second(60).unwrap();
    let mut scene = scene.applied();
    assert_eq!(scene.names().len(), 5);
    // after a day without a change all is forgiven
    for name in ["g.example.com", "h.example.com"] {
        scene.now += SignedDuration::from_hours(24);
        scene = scene.routed(route(name, &gateway(), &[name])).applied();
        assert!(scene.names().contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn a_listener_takes_no_names_that_belong_to_another_one() {
    let mut other = listener("*.example.org", "other");
    other["name"] = json!("other");
    let scene = asking()
        .listener(other)
        .routed(route("r", &gateway(), &["a.example.com", "b.example.org"]))
        .applied();
    let names: Vec<_> = scene
        .certificates
        .iter()
        .map(|it| (it.meta.name().to_owned(), it.spec.clone().unwrap().dns_names.join(",")))
        .collect();
    assert_eq!(
        names,
        [
            ("t".to_owned(), "a.example.com".to_owned()),
            ("other".to_owned(), "b.example.org".to_owned())
        ]
    );
}

#[test]
fn a_new_name_is_added_at_once_and_a_removed_one_goes_before_the_next_renewal() {
    let scene = asking()
        .routed(route("b", &gateway(), &["b.example.com"]))
        .applied()
        .issued_until(RENEWAL);
    let mut scene = scene.routed(route("a", &gateway(), &["a.example.com"])).applied();
    assert_eq!(
        scene.names(),
        ["b.example.com", "a.example.com"],
        "the order is that of the Certificate"
    );
    scene.routes.remove(0);
    let early = scene.plan();
    let a_minute_before = RENEWAL - SignedDuration::from_secs(60);
    assert_eq!((early.effects.len(), early.again), (0, Some(a_minute_before)));
    scene.now = a_minute_before;
    let scene = scene.applied();
    assert_eq!(scene.names(), ["a.example.com"]);
    assert_eq!(scene.plan(), ShimPlan::default());
}

#[test]
fn a_name_that_could_not_be_issued_goes_at_once() {
    let mut scene = asking()
        .routed(route("a", &gateway(), &["a.example.com"]))
        .routed(route("b", &gateway(), &["b.example.com"]))
        .applied();
    scene.routes.remove(1);
    assert_eq!(scene.applied().names(), ["a.example.com"]);
}

#[test]
fn the_last_names_stay_when_all_routes_are_gone() {
    let mut scene = asking().routed(route("a", &gateway(), &["a.example.com"])).applied();
    scene.routes.clear();
    assert!(is_empty(&scene));
    assert_eq!(scene.applied().names(), ["a.example.com"]);
}

#[test]
fn an_annotation_that_is_taken_away_takes_the_names_away() {
    let scene = asking()
        .routed(route("a", &gateway(), &["a.example.com"]))
        .applied()
        .issued_until(RENEWAL)
        .annotated(FROM_ROUTES, "false");
    assert_eq!(scene.applied().names(), ["*.example.com"]);
}

#[test]
fn more_than_a_hundred_names_are_left_out_with_a_word() {
    let hostnames: Vec<String> = (0..103).map(|number| format!("n{number:03}.example.com")).collect();
    let hostnames: Vec<&str> = hostnames.iter().map(String::as_str).collect();
    let scene = asking()
        .routed(route("r", &gateway(), &hostnames[1..]))
        .applied()
        .issued_until(RENEWAL);
    let first = scene.names();
    assert_eq!((first.len(), first[0].as_str()), (100, "n001.example.com"));
    // the names that are there stay
    let scene = scene.routed(route("s", &gateway(), &hostnames[..1]));
    let plan = scene.plan();
    assert_eq!(plan.effects, []);
    assert!(
        plan.complaints[0].starts_with("Secret \"t\": 3 hostnames of HTTPRoutes are left out, because"),
        "{:?}",
        plan.complaints
    );
}

#[test]
fn a_listener_set_takes_the_names_of_its_own_routes() {
    let scene = a_gateway()
        .annotated("cert-manager.io/issuer", "le")
        .with_listener_set()
        .annotated(FROM_ROUTES, "true")
        .listener(listener("*.example.com", "t"))
        .routed(route(
            "g",
            &json!({"name": "web", "namespace": "infra"}),
            &["gateway.example.com"],
        ))
        .routed(route(
            "s",
            &json!({"kind": "ListenerSet", "name": "more"}),
            &["set.example.com"],
        ));
    assert_eq!(scene.created().spec.dns_names, ["set.example.com"]);
}

fn scenes() -> impl Strategy<Value = GatewayScene> {
    let hostname = prop::sample::select(vec!["*.example.com", "a.example.com", ""]);
    let names = prop::sample::subsequence(
        vec![
            "a.example.com",
            "b.example.com",
            "c.example.com",
            "d.example.org",
            "*.example.com",
        ],
        0..=5,
    );
    let alts = prop::sample::select(vec!["", "z.example.org,b.example.com", "c.example.com"]);
    let settings = (any::<bool>(), any::<bool>(), 0_i64..6_000_000);
    (prop::collection::vec((hostname, 0..2_u8), 1..3), names, alts, settings).prop_map(
        |(listeners, names, alts, (from_routes, issued, now))| {
            let mut scene = a_gateway()
                .annotated("cert-manager.io/issuer", "le")
                .annotated("cert-manager.io/alt-names", alts)
                .annotated(FROM_ROUTES, if from_routes { "true" } else { "false" })
                .routed(route("r", &gateway(), &names));
            for (hostname, secret) in listeners {
                scene = scene.listener(listener(hostname, &format!("t{secret}")));
            }
            scene.now = Timestamp::from_second(now).unwrap();
            // whether the Certificates are issued is written into those of `before`
            scene.settings.enable_certificate_owner_ref = issued;
            scene
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_reconcile_finds_nothing_to_do(before in scenes(), after in scenes()) {
        let issued = before.settings.enable_certificate_owner_ref;
        let mut before = before.applied();
        if issued {
            before = before.issued_until(RENEWAL);
        }
        let mut edited = after;
        edited.certificates = before.certificates;
        let first = edited.plan();
        let second = edited.applied().plan();
        prop_assert_eq!(second.effects, vec![]);
        prop_assert_eq!(second.complaints, first.complaints);
        prop_assert!(first.effects.iter().all(|effect| !matches!(effect, ShimEffect::Create(it) if it.spec.dns_names.is_empty())));
    }
}
