use super::*;

fn section(of: &ParentSeen, host: Option<&str>) -> Option<String> {
    attached(of, "shop", host).section_name
}

#[test]
fn the_one_listener_for_http_on_port_80_that_admits_the_route_is_chosen() {
    let all = |name: &str, hostname: &str| http(name, hostname, "All");
    let a = Some("a.example.com");
    for (listeners, host, chosen) in [
        (vec![all("web", ""), https("tls")], a, Some("web")),
        (vec![https("tls")], a, None),
        (vec![http("own", "", "Same"), all("web", "")], a, Some("web")),
        (vec![http("own", "", "Same")], a, None),
        (vec![http("labels", "", "Selector")], a, Some("labels")),
        (vec![all("web", ""), all("more", "")], a, None),
        // the closest hostname is where the request arrives
        (
            vec![
                all("any", ""),
                all("wild", "*.example.com"),
                all("exact", "a.example.com"),
            ],
            a,
            Some("exact"),
        ),
        (
            vec![all("any", ""), all("wild", "*.example.com"), all("wilder", "*.com")],
            a,
            Some("wild"),
        ),
        (
            vec![all("wild", "*.example.com")],
            Some("a.b.EXAMPLE.com"),
            Some("wild"),
        ),
        (vec![all("wild", "*.example.com")], Some("example.com"), None),
        (vec![all("wild", "*.example.com")], Some("notexample.com"), None),
        (vec![all("other", "b.example.com")], a, None),
        // an address is no hostname
        (vec![all("any", ""), all("exact", "a.example.com")], None, Some("any")),
        (vec![all("exact", "a.example.com")], None, None),
    ] {
        let names: Vec<_> = listeners.iter().map(|one| one.name.clone()).collect();
        let found = section(&gateway(&json!({}), listeners), host);
        assert_eq!(found.as_deref(), chosen, "{names:?} {host:?}");
    }
}

#[test]
fn what_the_user_named_is_not_changed() {
    let listeners = || vec![http("web", "", "All")];
    assert_eq!(
        section(&gateway(&json!({"sectionName": "mine"}), listeners()), None).as_deref(),
        Some("mine")
    );
    assert_eq!(section(&gateway(&json!({"port": 80}), listeners()), None), None);
    let tcp = listener(json!({
        "name": "tcp", "port": 80, "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]},
    }));
    assert_eq!(section(&gateway(&json!({}), vec![tcp]), None), None, "no HTTPRoutes");
    let mut missing = gateway(&json!({}), listeners());
    missing.found = ParentFound::Missing;
    assert_eq!(section(&missing, None), None);
}
