//! The rights in deploy/base/rbac.yaml, deploy/bundles and deploy/solver-pods against what certlet asked for while every test ran: `make test` runs this module
//! when all other beds have ended.

use std::collections::BTreeSet;

use crate::support::audit::{AuditedCall, EarlierBeds};
use crate::support::rights::{Right, roles};
use crate::support::{AuditMark, Bed};

/// Rights that no call shows, or hardly any, and why they are given.
const UNSEEN: [(&str, &[&str], &[&str], &str); 19] = [
    (
        "cert-manager.io",
        &["certificates/finalizers", "certificaterequests/finalizers"],
        &["update"],
        "an owner reference that blocks deletion, where OwnerReferencesPermissionEnforcement is on",
    ),
    (
        "acme.cert-manager.io",
        &["orders/finalizers", "challenges/finalizers"],
        &["update"],
        "as above",
    ),
    ("networking.k8s.io", &["ingresses/finalizers"], &["update"], "as above"),
    (
        "gateway.networking.k8s.io",
        &["gateways/finalizers", "listenersets/finalizers"],
        &["update"],
        "as above",
    ),
    (
        "trust.cert-manager.io",
        &["bundles/finalizers"],
        &["update"],
        "as above",
    ),
    (
        "cert-manager.io",
        &["certificates", "certificaterequests", "issuers", "clusterissuers"],
        &["list"],
        "servers without streaming lists",
    ),
    ("acme.cert-manager.io", &["orders", "challenges"], &["list"], "as above"),
    ("", &["secrets", "namespaces"], &["list"], "as above"),
    ("trust.cert-manager.io", &["bundles"], &["list"], "as above"),
    (
        "gateway.networking.k8s.io",
        &["gateways", "listenersets", "httproutes"],
        &["list"],
        "as above",
    ),
    (
        "certificates.k8s.io",
        &["certificatesigningrequests"],
        &["list"],
        "as above",
    ),
    (
        "",
        &["services"],
        &["create"],
        "asked within a server-side apply of something new, which is logged as a patch",
    ),
    ("discovery.k8s.io", &["endpointslices"], &["create"], "as above"),
    ("", &["configmaps"], &["create"], "as above"),
    ("networking.k8s.io", &["ingresses"], &["create"], "as above"),
    ("gateway.networking.k8s.io", &["httproutes"], &["create"], "as above"),
    (
        "acme.cert-manager.io",
        &["orders", "challenges"],
        &["get"],
        "a name that is taken although no object of that name has been seen",
    ),
    (
        "",
        &["namespaces"],
        &["get"],
        "a namespace that is deleted while a target is written into it",
    ),
    (
        "certificates.k8s.io",
        &["signers"],
        &["sign"],
        "asked by an admission plugin when a certificate is written into a CertificateSigningRequest",
    ),
];

/// Calls that tests make without the right, on purpose: group, resource (`*` for all), verb, why.
const REFUSED: [(&str, &str, &str, &str); 12] = [
    ("admissionregistration.k8s.io", "*", "list", PLAN),
    ("apps", "*", "list", PLAN),
    ("coordination.k8s.io", "*", "update", UNINSTALL),
    ("", "serviceaccounts", "get", CHECK),
    ("apiextensions.k8s.io", "customresourcedefinitions", "get", CHECK),
    ("coordination.k8s.io", "leases", "list", CHECK),
    ("discovery.k8s.io", "endpointslices", "list", CHECK),
    (
        "authentication.k8s.io",
        "tokenreviews",
        "create",
        "the status page without deploy/status-page says what is missing",
    ),
    (
        "",
        "serviceaccounts/token",
        "create",
        "a Vault issuer says which right its serviceAccountRef lacks",
    ),
    ("cert-manager.io", "certificates", "get", UNINSTALL),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
        "get",
        SWAP,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "get",
        SWAP,
    ),
];
const PLAN: &str = "`certlet plan` looks for webhooks of other names and for cert-manager's Deployment, where its caller may list them";
const UNINSTALL: &str = "Helm takes the rights away while the pod still ends, which then cannot give its Lease back";
const CHECK: &str = "`certlet check` with certlet's own rights says what they do not let it see";
const SWAP: &str = "in a swap, certlet starts with cert-manager's account before its own roles are there";

const ACCOUNT: &str = "cert-manager:cert-manager";
const TEST: &str = "no_right_is_missing_and_every_right_is_needed";

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn no_right_is_missing_and_every_right_is_needed() {
    let bed = Bed::attach().await;
    let earlier = EarlierBeds::find();
    let mut calls = earlier.as_ref().map_or_else(Vec::new, |beds| beds.calls(ACCOUNT));
    calls.extend(bed.calls_since(AuditMark::default(), ACCOUNT).await);
    // the right to call a solver comes with its webhook: tests of DNS-01 call some without it
    let of_webhook = |call: &AuditedCall| call.group.ends_with(".example") && call.verb == "create";
    let on_purpose = |call: &AuditedCall| {
        let is = |(group, resource, verb, _): &(&str, &str, &str, &str)| {
            (*group, *verb) == (call.group.as_str(), call.verb.as_str())
                && ["*", call.resource.as_str()].contains(resource)
        };
        REFUSED.iter().any(is)
    };
    let refused: Vec<_> = calls
        .iter()
        .filter(|call| !call.allowed && !of_webhook(call) && !on_purpose(call))
        .collect();
    assert!(
        refused.is_empty(),
        "certlet asked for more than deploy/ gives it: {refused:#?}"
    );

    // What is never used shows only when all tests have run: make cluster.
    let Some(earlier) = earlier else { return };
    let used: BTreeSet<Right> = calls
        .into_iter()
        .filter(|call| call.allowed)
        .map(|call| (call.group, call.resource, call.verb))
        .collect();
    let parts = [
        "deploy/base/rbac.yaml",
        "deploy/bundles/rbac.yaml",
        "deploy/solver-pods/rbac.yaml",
        "deploy/status-page/rbac.yaml",
    ];
    let given: BTreeSet<Right> = parts
        .into_iter()
        .flat_map(roles)
        .flat_map(|(_, rights)| rights)
        .collect();
    let unseen: BTreeSet<Right> = UNSEEN.iter().flat_map(unseen).collect();
    let unused: Vec<_> = given
        .difference(&used)
        .filter(|right| !unseen.contains(*right))
        .collect();
    let stale: Vec<_> = unseen.difference(&given).collect();
    assert!(stale.is_empty(), "excused, but not given: {stale:#?}");
    if earlier.had_a_node() {
        assert!(unused.is_empty(), "given, but no test needed it: {unused:#?}");
    } else if !unused.is_empty() {
        let why = format!("no bed had a node, whose tests need more; seen in no other: {unused:?}");
        bed.skip(TEST, &why);
    }
}

fn unseen((group, resources, verbs, _why): &(&str, &[&str], &[&str], &str)) -> Vec<Right> {
    let of = |resource: &&str| {
        let resource = (*resource).to_owned();
        verbs
            .iter()
            .map(move |verb| ((*group).to_owned(), resource.clone(), (*verb).to_owned()))
    };
    resources.iter().flat_map(of).collect()
}
