//! The steps of docs/install.md, there and back.

use serde_json::json;

use crate::support::bed::project;
use crate::support::{Bed, Certlet, IN_TIME, condition_is, eventually, run, until};
use crate::{good, object, prepared, stored};

/// What an installation and its work leave in a cluster: kinds that exist without certlet.
const KINDS: &str = "ingresses,services,endpointslices,pods,secrets,serviceaccounts,deployments,leases,roles,rolebindings,\
    clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,\
    customresourcedefinitions,namespaces";
/// Those that not every server has.
const NEW_KINDS: &str = "mutatingadmissionpolicies,mutatingadmissionpolicybindings";

/// Everything in the cluster that bears a name of ours or of cert-manager, or is in the namespace of the test.
async fn traces(bed: &Bed, namespace: &str) -> Vec<String> {
    let columns = "-o=custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name,L:.metadata.labels";
    let new = bed.can_write_requesters().await.then_some(NEW_KINDS);
    let kinds = [Some(KINDS), new].into_iter().flatten().collect::<Vec<_>>().join(",");
    let listed = bed.kubectl(&["get", &kinds, "-A", "--no-headers", columns]).await;
    let ours = ["certlet", "cert-manager", "cm-acme-http-solver", namespace];
    let mut found: Vec<String> = listed
        .lines()
        .filter(|line| ours.iter().any(|name| line.contains(name)))
        .map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
        // The bed's own, for every test.
        .filter(|line| !line.contains("approve-for-example") && !line.contains("Namespace <none> t"))
        .filter(|line| !line.ends_with(" default"))
        // Other tests'.
        .filter(|line| {
            line.split(' ')
                .nth(1)
                .is_some_and(|within| within == namespace || !within.starts_with('t'))
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_uninstall_in_mid_order_leaves_the_secrets_of_users_and_nothing_else() {
    let (bed, namespace) = prepared().await;
    let installation = crate::installation(&bed).await;
    for [how, part] in &installation {
        bed.kubectl(&["apply", how, part]).await;
    }
    let certlet = Certlet::launch(&bed).leader_election().ready().await;

    let issuers = bed.objects("cert-manager.io/v1", "Issuer", Some(&namespace)).await;
    let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
    stored(&issuers, &object("cert-manager.io/v1", "Issuer", "ca", &good("Issuer"))).await;
    stored(
        &certificates,
        &object("cert-manager.io/v1", "Certificate", "done", &good("Certificate")),
    )
    .await;
    until(&certificates, "done", IN_TIME, condition_is("Ready", "True")).await;

    // An order that cannot go on, with everything in place for the CA.
    let host = format!("{namespace}.stuck.example");
    bed.names().set_servfail(&host).await;
    let acme = json!({ "acme": { "server": bed.pebble().directory(), "caBundle": bed.pebble().ca_bundle(),
        "privateKeySecretRef": { "name": "account" }, "solvers": [{ "http01": { "ingress": { "ingressClassName": "traefik" } } }] } });
    stored(&issuers, &object("cert-manager.io/v1", "Issuer", "acme", &acme)).await;
    let stuck = json!({ "secretName": "stuck", "dnsNames": [host], "issuerRef": { "name": "acme" } });
    stored(
        &certificates,
        &object("cert-manager.io/v1", "Certificate", "stuck", &stuck),
    )
    .await;
    eventually("an order in flight", IN_TIME, async || {
        let made = bed
            .kubectl(&["get", "ingress,service,endpointslice", "-n", &namespace, "-o", "name"])
            .await;
        ["ingress.", "service/", "endpointslice."]
            .iter()
            .all(|kind| made.contains(kind))
            .then_some(())
    })
    .await;

    assert!(certlet.stop().await.success());
    // The kinds have to exist while Kubernetes looks for what belongs to their objects.
    let kinds = "certificates,certificaterequests,orders.acme.cert-manager.io,challenges.acme.cert-manager.io";
    bed.kubectl(&["delete", kinds, "--all", "-A", "--cascade=foreground", "--timeout=10m"])
        .await;
    for [how, part] in &installation {
        bed.kubectl(&["delete", how, part, "--ignore-not-found", "--timeout=90s"])
            .await;
    }
    let leases = ["cert-manager-controller", "cert-manager-cainjector-leader-election"];
    bed.kubectl(&[&["delete", "leases", "-n", "kube-system"][..], &leases].concat())
        .await;

    // The certificate of a user and the key of an account. The bed is as before for the tests that follow, whatever
    // is found.
    let expected = [
        format!("Secret {namespace} account"),
        format!("Secret {namespace} web-tls"),
    ];
    let deadline = tokio::time::Instant::now() + IN_TIME;
    while traces(&bed, &namespace).await != expected && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let found = traces(&bed, &namespace).await;
    run(
        project().join("tests/testbed/rights.sh").to_str().unwrap(),
        &[bed.path("").to_str().unwrap()],
    )
    .await;
    bed.names().clear_servfail(&host).await;
    assert_eq!(found, expected);
}
