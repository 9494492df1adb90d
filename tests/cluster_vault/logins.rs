//! The ways to log in, and TLS.

use serde_json::json;

use crate::{Place, ROLE, login, support::Pair};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn client_certificates_and_bundles_in_secrets_are_followed() {
    let Some(place) = Place::open("TLS of Vault").await else {
        return;
    };
    let client = place.tls.server(&["certlet.example"]);
    place.bao.write("sys/auth/cert", &json!({"type": "cert"})).await;
    let role = json!({"certificate": place.tls.certificate, "token_policies": ["certlet"]});
    place.bao.write("auth/cert/certs/certlet", &role).await;

    let fields = place.tls_fields(&json!({"clientCertificate": {"name": "certlet"}}));
    place.issuer("ca", fields.clone()).await;
    place.is_refused("ca", "not found").await;
    let wrong = Pair::by_openssl("/CN=someone").await;
    place
        .secret("client", &json!({"tls.crt": wrong.certificate, "tls.key": wrong.key}))
        .await;
    place
        .is_refused(
            "ca",
            "Failed to verify Vault is initialized and unsealed: Vault (10.99.0.6:8443)",
        )
        .await;
    place
        .secret("client", &json!({"tls.crt": client.certificate, "tls.key": client.key}))
        .await;
    place.is_ready("ca").await;
    let host = place.certificate("mtls", "ca").await;
    place.scene.ready("mtls").await;
    place.verify("mtls", &host).await;

    // a bundle that comes later, and a name that is not in the URL
    let mut fields = place.tls_fields(&login(ROLE));
    fields["caBundle"] = json!(null);
    fields["caBundleSecretRef"] = json!({"name": "bundle"});
    fields["serverName"] = json!("vault.example");
    fields.as_object_mut().unwrap().remove("caBundle");
    place.issuer("bundled", fields.clone()).await;
    place.is_refused("bundled", "not found").await;
    place.secret("bundle", &json!({"ca.crt": wrong.certificate})).await;
    place.is_refused("bundled", "is not trusted").await;
    place.secret("bundle", &json!({"ca.crt": place.tls.certificate})).await;
    place.is_ready("bundled").await;
    let host = place.certificate("bundled", "bundled").await;
    place.scene.ready("bundled").await;
    place.verify("bundled", &host).await;
    fields["serverName"] = json!("other.example");
    place.issuer("misnamed", fields).await;
    place.is_refused("misnamed", "it is not for this name").await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_service_account_logs_in_through_the_token_review_of_the_api_server() {
    let Some(place) = Place::open("Kubernetes logins of Vault").await else {
        return;
    };
    let namespace = &place.scene.namespace;
    let rights = format!(
        r#"
apiVersion: v1
kind: ServiceAccount
metadata: {{name: vault-login}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reviewer}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: reviewer-{namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:auth-delegator"}}
subjects: [{{kind: ServiceAccount, name: reviewer, namespace: {namespace}}}]
"#
    );
    place.scene.apply(&rights).await;
    let reviewer = place
        .scene
        .bed
        .kubectl(&["create", "token", "-n", namespace, "reviewer"])
        .await;
    place
        .bao
        .write("sys/auth/kubernetes", &json!({"type": "kubernetes"}))
        .await;
    let config = json!({
        "kubernetes_host": "https://127.0.0.1:6443", "kubernetes_ca_cert": place.scene.bed.read("pki/ca.crt"),
        "token_reviewer_jwt": reviewer.trim(),
    });
    place.bao.write("auth/kubernetes/config", &config).await;
    let role = json!({
        "bound_service_account_names": ["vault-login"], "bound_service_account_namespaces": [namespace],
        "token_policies": ["certlet"], "audience": format!("vault://{namespace}/by-account"),
    });
    place.bao.write("auth/kubernetes/role/web", &role).await;

    let by_account =
        json!({"kubernetes": {"role": "web", "serviceAccountRef": {"name": "vault-login", "audiences": ["more"]}}});
    place.issuer("by-account", json!({"auth": by_account})).await;
    place
        .is_refused("by-account", "give it the verb create on serviceaccounts/token")
        .await;
    let rights = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: vault-login}
rules: [{apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [vault-login], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: vault-login}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: vault-login}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]
"#;
    place.scene.apply(rights).await;
    place.is_ready("by-account").await;
    let host = place.certificate("account", "by-account").await;
    place.scene.ready("account").await;
    place.verify("account", &host).await;

    let audience = format!("--audience=vault://{namespace}/by-account");
    let token = place
        .scene
        .bed
        .kubectl(&["create", "token", "-n", namespace, "vault-login", &audience])
        .await;
    place.secret("jwt", &json!({"token": token})).await;
    let by_secret = json!({"kubernetes": {"role": "web", "secretRef": {"name": "jwt"}}});
    place.issuer("by-secret", json!({"auth": by_secret})).await;
    place.is_ready("by-secret").await;
    place.certificate("secret", "by-secret").await;
    place.scene.ready("secret").await;
}
