//! Issuer kinds of other API groups, as the API server serves them, in the rule about approvals (VAL-35).

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};

use crate::support::approval::{approve, may_approve};
use crate::support::bed::project;
use crate::support::shop::Shop;
use crate::support::{IN_TIME, condition_is, eventually, openssl_csr, until};

use base64::prelude::{BASE64_STANDARD, Engine as _};

const CONFIG_MAP: &str = "certlet-issuer-kinds";

/// A certlet where the policies are in force.
async fn guarded() -> Shop {
    let shop = Shop::empty(&[]).await;
    let policies = project().join("deploy/api/policies.yaml");
    shop.bed.kubectl(&["apply", "-f", policies.to_str().unwrap()]).await;
    let foreign = json!({ "name": "none", "kind": "Canary", "group": "canary.example.io" });
    shop.request("canary", foreign).await;
    eventually("the policy in force", IN_TIME, async || {
        let refusal = shop.refuses("canary", "nothing.example.io/*").await?;
        refusal
            .contains("the verb approve on signers canaries.canary.example.io/")
            .then_some(())
    })
    .await;
    shop
}

impl Shop {
    async fn request(&self, name: &str, issuer: Value) {
        let csr = BASE64_STANDARD.encode(openssl_csr("/CN=a", &[]).await);
        let object = json!({"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": {"name": name},
            "spec": {"issuerRef": issuer, "request": csr}});
        self.apply(&object.to_string()).await;
    }

    /// An issuer's kind that somebody else's controller would serve.
    async fn installs(&self, group: &str, kind: &str, plural: &str, scope: &str) {
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": scope, "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
        self.apply(&crd.to_string()).await;
    }

    /// What the API server says when a user approves who may do so for one signer: `None` is yes.
    async fn refuses(&self, request: &str, signer: &str) -> Option<String> {
        let user = format!("{}-{}", self.namespace, signer.replace(['/', '*'], "-"));
        may_approve(&self.bed, &user, signer).await;
        approve(&self.bed, &self.namespace, request, user).await.err()
    }

    async fn lets(&self, request: &str, signer: &str) {
        eventually(
            &format!("{request} approved by whoever may for {signer}"),
            IN_TIME,
            async || self.refuses(request, signer).await.is_none().then_some(()),
        )
        .await;
    }
}

/// The kinds come after the requests, as in cert-manager's own tests: the plural is irregular, or the scope is not what the name says.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn plural_and_scope_of_a_foreign_issuer_are_those_that_the_api_server_serves() {
    let shop = guarded().await;
    let group = format!("{}.example.io", shop.namespace);
    let kinds = [
        ("genius", "Genius", "genii", "Namespaced"),
        ("global", "Global", "globals", "Cluster"),
        ("owned", "OwnedClusterIssuer", "ownedclusterissuers", "Namespaced"),
    ];
    for (request, kind, plural, scope) in kinds {
        shop.request(request, json!({ "name": "ca", "kind": kind, "group": group }))
            .await;
        let nobody = shop.refuses(request, "nothing.example.io/*").await.unwrap();
        let missing = format!("Forbidden: referenced signer resource does not exist: {{ca {kind} {group}}}");
        let refusal = eventually("no such kind", IN_TIME, async || {
            let refusal = shop.refuses(request, "nothing.example.io/*").await?;
            refusal.trim_end().ends_with(&missing).then_some(refusal)
        })
        .await;
        assert!(refusal.contains("Forbidden"), "{nobody}");
        shop.installs(&group, kind, plural, scope).await;
    }
    let namespace = &shop.namespace;
    for (request, right, wrong) in [
        (
            "genius",
            format!("genii.{group}/{namespace}.ca"),
            format!("geniuses.{group}/{namespace}.ca"),
        ),
        ("genius", format!("genii.{group}/*"), format!("geniuses.{group}/*")),
        (
            "global",
            format!("globals.{group}/ca"),
            format!("globals.{group}/{namespace}.ca"),
        ),
        (
            "owned",
            format!("ownedclusterissuers.{group}/{namespace}.ca"),
            format!("ownedclusterissuers.{group}/ca"),
        ),
    ] {
        shop.lets(request, &right).await;
        let refusal = shop.refuses(request, &wrong).await.expect(&wrong);
        assert!(
            refusal.contains(" does not have permissions to set approved/denied conditions for issuer {ca "),
            "{refusal}"
        );
        assert!(refusal.trim_end().ends_with(&format!(" {group}}}")), "{refusal}");
    }
}

/// certlet itself approves by the exact name, at the first try.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_approves_for_a_foreign_issuer_whose_plural_nobody_could_guess() {
    let shop = guarded().await;
    let group = format!("{}.example.io", shop.namespace);
    shop.installs(&group, "Octopus", "octopodes", "Namespaced").await;
    eventually("the kind served", IN_TIME, async || {
        let known = ["get", &format!("octopodes.{group}"), "-n", &shop.namespace];
        shop.bed.try_kubectl(&known).await.status.success().then_some(())
    })
    .await;
    let role = format!("{}-certlet", shop.namespace);
    may_approve(&shop.bed, &role, &format!("octopodes.{group}/*")).await;
    let subject = "--serviceaccount=cert-manager:cert-manager";
    let role_of = format!("--clusterrole={role}");
    shop.bed
        .kubectl(&[
            "create",
            "clusterrolebinding",
            &format!("{role}-account"),
            &role_of,
            subject,
        ])
        .await;
    eventually("the right of certlet", IN_TIME, async || {
        let account = "--as=system:serviceaccount:cert-manager:cert-manager";
        let signers = format!("signers.cert-manager.io/octopodes.{group}/*");
        let can = shop
            .bed
            .try_kubectl(&["auth", "can-i", "approve", &signers, account])
            .await;
        can.stdout.trim().ends_with("yes").then_some(())
    })
    .await;
    shop.request("octopus", json!({ "name": "ca", "kind": "Octopus", "group": group }))
        .await;
    until(&shop.requests, "octopus", IN_TIME, condition_is("Approved", "True")).await;
    let events = shop
        .bed
        .kubectl(&[
            "get",
            "events",
            "-n",
            &shop.namespace,
            "-o",
            "jsonpath={.items[*].reason}",
        ])
        .await;
    assert!(!events.contains("ApprovalNotAllowed"), "{events}");
}

/// Without the ConfigMap nothing is approved, by nobody; the leader makes it again.
#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_deleted_config_map_lets_nobody_approve_and_comes_back() {
    let shop = guarded().await;
    let config_maps: Api<ConfigMap> = Api::namespaced(shop.bed.client(), "kube-system");
    let kept = async || config_maps.get_opt(CONFIG_MAP).await.unwrap()?.data;
    let before = eventually("what certlet has written", IN_TIME, kept).await;
    assert_eq!(
        before["ClusterIssuer.cert-manager.io"], "clusterissuers/Cluster",
        "{before:?}"
    );

    shop.certlet.kill();
    let delete = ["delete", "configmap", "-n", "kube-system", CONFIG_MAP];
    shop.bed.kubectl(&delete).await;
    eventually("nobody approves", IN_TIME, async || {
        let refusal = shop.refuses("canary", "canaries.canary.example.io/*").await?;
        refusal.contains("no params found for policy binding").then_some(())
    })
    .await;

    let shop = shop.with_another(&[]).await;
    let kept = async || config_maps.get_opt(CONFIG_MAP).await.unwrap()?.data;
    assert_eq!(eventually("the ConfigMap again", IN_TIME, kept).await, before);
    shop.add_issuers().await;
    shop.is_ready("root").await;
    // also where certlet's own write is the one that is refused
    shop.bed.kubectl(&delete).await;
    shop.certificate("web", json!({})).await;
    shop.is_ready("web").await;
    assert_eq!(eventually("the ConfigMap once more", IN_TIME, kept).await, before);
}
