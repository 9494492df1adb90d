use super::*;

#[test]
fn one_host_gives_the_ingress_that_tools_know() {
    let ingress = ingress_for(
        json!({"ingressClassName": "edge"}),
        "traefik",
        &[("demo.example", "tok")],
    );
    assert_eq!(
        ingress["spec"],
        json!({
            "ingressClassName": "edge",
            "rules": [{"host": "demo.example", "http": {"paths": [{
                "path": "/.well-known/acme-challenge/tok",
                "pathType": "Exact",
                "backend": {"service": {"name": "cm-acme-http-solver-certlet", "port": {"number": 8089}}},
            }]}}],
        })
    );
    // Adler-32 as zlib computes it; a flag's label does not replace those by which the object is found.
    assert_eq!(
        ingress["metadata"]["labels"],
        json!({
            "acme.cert-manager.io/http-domain": "509936832",
            "acme.cert-manager.io/http-token": "44564815",
            "acme.cert-manager.io/http01-solver": "true",
            "certlet/order-uid": "order-uid",
            "team": "red",
        })
    );
    assert_eq!(
        ingress["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "acme.cert-manager.io/v1", "kind": "Challenge", "name": "order-0", "uid": "uid-0",
            "controller": true, "blockOwnerDeletion": true,
        }])
    );
    assert_eq!(ingress["metadata"]["namespace"], "shop");
}

#[test]
fn the_class_is_written_the_way_the_issuer_says() {
    let field = ingress_for(json!({"ingressClassName": "nginx"}), "nginx", &[("a.example", "t")]);
    assert_eq!(field["spec"]["ingressClassName"], "nginx");
    assert_eq!(
        field["metadata"]["annotations"].get("kubernetes.io/ingress.class"),
        None
    );
    let annotation = ingress_for(json!({"class": "nginx"}), "nginx", &[("a.example", "t")]);
    assert_eq!(
        annotation["metadata"]["annotations"]["kubernetes.io/ingress.class"],
        "nginx"
    );
    assert_eq!(annotation["spec"].get("ingressClassName"), None);
    let neither = ingress_for(json!({}), "", &[("a.example", "t")]);
    assert_eq!(neither["spec"].get("ingressClassName"), None);
    assert_eq!(
        neither["metadata"]["annotations"].get("kubernetes.io/ingress.class"),
        None
    );
}

#[test]
fn several_hosts_share_one_ingress_with_a_rule_each_and_one_controller_owner() {
    let ingress = ingress_for(
        json!({}),
        "",
        &[
            ("b.example", "t2"),
            ("a.example", "t1"),
            ("192.0.2.7", "t3"),
            ("192.0.2.8", "t4"),
        ],
    );
    let rules = ingress["spec"]["rules"].as_array().unwrap();
    let hosts: Vec<_> = rules.iter().map(|rule| rule["host"].as_str()).collect();
    assert_eq!(hosts, [None, Some("a.example"), Some("b.example")]);
    assert_eq!(rules[0]["http"]["paths"].as_array().unwrap().len(), 2);
    let owners = ingress["metadata"]["ownerReferences"].as_array().unwrap();
    let controllers = owners.iter().filter(|owner| owner["controller"] == true).count();
    assert_eq!((owners.len(), controllers), (4, 1));
}

#[test]
fn the_name_depends_on_order_and_configuration_only() {
    let name = |solver, paths: &[(&str, &str)]| ingress_for(solver, "", paths)["metadata"]["name"].clone();
    let two = name(json!({"class": "a"}), &[("a.example", "t"), ("b.example", "u")]);
    assert_eq!(two, name(json!({"class": "a"}), &[("b.example", "new")]));
    assert_ne!(
        two,
        name(json!({"class": "b"}), &[("a.example", "t"), ("b.example", "u")])
    );
}

#[test]
fn the_source_range_is_open_unless_the_template_says_otherwise() {
    let key = "nginx.ingress.kubernetes.io/whitelist-source-range";
    let open = ingress_for(json!({}), "", &[("a.example", "t")]);
    assert_eq!(open["metadata"]["annotations"], json!({key: "0.0.0.0/0,::/0"}));
    let template = json!({"ingressTemplate": {"metadata": {
        "annotations": {"haproxy.org/whitelist-source-range": "10.0.0.0/8", "nginx.ingress.kubernetes.io/ssl-redirect": "true"},
        "labels": {"team": "blue", "acme.cert-manager.io/http01-solver": "false"},
    }}});
    let ingress = ingress_for(template, "nginx", &[("a.example", "t")]);
    let annotations = &ingress["metadata"]["annotations"];
    assert_eq!(annotations.get(key), None);
    assert_eq!(annotations["haproxy.org/whitelist-source-range"], "10.0.0.0/8");
    assert_eq!(annotations["nginx.ingress.kubernetes.io/ssl-redirect"], "true");
    assert_eq!(annotations["nginx.ingress.kubernetes.io/force-ssl-redirect"], "false");
    assert_eq!(ingress["metadata"]["labels"]["team"], "blue");
    assert_eq!(
        ingress["metadata"]["labels"]["acme.cert-manager.io/http01-solver"],
        "true"
    );
}

#[test]
fn challenges_are_grouped_by_solver_configuration() {
    let challenge = |class: &str, host: &str| {
        (
            config(json!({"class": class})),
            path(host, "t"),
            challenge_owner(&format!("c-{host}"), host),
        )
    };
    let groups = group(vec![
        challenge("x", "c.example"),
        challenge("y", "b.example"),
        challenge("x", "a.example"),
    ]);
    let hosts = |group: &Group<Http01Ingress>| group.paths.iter().map(|path| path.host.to_string()).collect::<Vec<_>>();
    assert_eq!(
        groups.iter().map(hosts).collect::<Vec<_>>(),
        [vec!["a.example", "c.example"], vec!["b.example"]]
    );
    let again = group(vec![
        challenge("x", "a.example"),
        challenge("y", "b.example"),
        challenge("x", "c.example"),
    ]);
    assert_eq!(groups, again);
}
