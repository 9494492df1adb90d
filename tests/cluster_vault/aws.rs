//! Logins with AWS identities. The judges are `HashiCorp` Vault's own AWS method, as a plugin of `OpenBao`, and moto, which stands in for IAM
//! and STS and verifies signatures with botocore.

use serde_json::json;

use crate::{
    Place,
    support::{
        IN_TIME,
        acme_servers::{Process, is_there},
        eventually,
        names::plain_http,
        on_path,
    },
};

const MOTO: &str = "http://10.99.0.6:5000";
const PLUGIN: &str = "bed-vault";

/// IAM and STS.
struct Moto {
    _process: Process,
    http: reqwest::Client,
}

impl Moto {
    async fn start(place: &crate::support::Bed) -> Self {
        let command = ["bed-moto", "-H", "10.99.0.6", "-p", "5000"];
        let moto = Self {
            _process: Process::start_with(place, "moto", &command, &[], &[("PYTHONDONTWRITEBYTECODE", "1")]),
            http: plain_http(),
        };
        eventually("moto answers", IN_TIME, async || {
            let answer = moto.http.get(format!("{MOTO}/moto-api/data.json")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        moto
    }

    /// An action of IAM, as its administrator.
    async fn iam(&self, action: &str, parameters: &str) -> String {
        // moto finds the service by the scope of the signature, which is not verified yet
        let scope =
            "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
        let request = self.http.post(MOTO).header("Authorization", scope);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request
            .body(format!("Action={action}&Version=2010-05-08&{parameters}"))
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{action} answered {status}: {text}");
        text
    }

    /// After this number of further actions, signatures are verified and rights are looked at.
    async fn verify_after(&self, actions: u32) {
        let request = self.http.post(format!("{MOTO}/moto-api/reset-auth"));
        let answer = request
            .header("Content-Type", "text/plain")
            .body(actions.to_string())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }
}

fn element(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0.to_owned()
}

/// A `ServiceAccount` for whose tokens certlet may ask.
const TOKENS_OF_THE_ACCOUNT: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: vault-login}
---
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

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn identities_of_aws_log_in_and_aws_accepts_each_signature() {
    const TEST: &str = "AWS logins of Vault";
    let bed = crate::support::Bed::attach().await;
    if !is_there(&bed, PLUGIN, TEST) || !is_there(&bed, "bed-moto", TEST) {
        return;
    }
    let moto = Moto::start(&bed).await;
    moto.iam("CreateUser", "UserName=certlet").await;
    let made = moto.iam("CreateAccessKey", "UserName=certlet").await;
    let (id, secret) = (element(&made, "AccessKeyId"), element(&made, "SecretAccessKey"));
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let role = format!("RoleName=vault-login&AssumeRolePolicyDocument={trust}");
    let arn = element(&moto.iam("CreateRole", &role).await, "Arn");
    moto.verify_after(0).await;

    let plugins = tempfile::tempdir().unwrap();
    std::fs::copy(on_path(PLUGIN).unwrap(), plugins.path().join(PLUGIN)).unwrap();
    let directory = format!("-dev-plugin-dir={}", plugins.path().display());
    let arguments = [directory.as_str()];
    let opened = Place::open_as(TEST, &arguments, |certlet| {
        certlet
            .variable("AWS_ACCESS_KEY_ID", &id)
            .variable("AWS_SECRET_ACCESS_KEY", &secret)
            .variable("AWS_ENDPOINT_URL", MOTO)
    });
    let Some(place) = opened.await else {
        return;
    };
    let namespace = &place.scene.namespace;
    place.bao.write("sys/auth/aws", &json!({"type": PLUGIN})).await;
    let config = json!({"sts_endpoint": MOTO, "iam_server_id_header_value": "vault.example"});
    place.bao.write("auth/aws/config/client", &config).await;
    for (role, principal) in [("user", "arn:aws:iam::123456789012:user/certlet"), ("account", &arn)] {
        let role_of = json!({"auth_type": "iam", "bound_iam_principal_arn": [principal], "resolve_aws_unique_ids": false,
            "token_policies": ["certlet"], "token_ttl": "20m"});
        place.bao.write(&format!("auth/aws/role/{role}"), &role_of).await;
    }

    // the identity of this process serves ClusterIssuers only
    let ambient = json!({"aws": {"role": "user", "vaultHeaderValue": "vault.example", "region": "eu-central-1"}});
    place.issuer("ambient", json!({"auth": ambient})).await;
    place
        .is_refused(
            "ambient",
            "or enable ambient credentials via --issuer-ambient-credentials",
        )
        .await;
    place.cluster_issuer(&ambient).await;
    let host = place.scene.host("ambient");
    place.cluster_certificate("ambient", namespace, &host).await;
    place.scene.ready("ambient").await;
    place.verify("ambient", &host).await;
    assert_eq!(place.requests("auth/aws/login"), 1);

    // a ServiceAccount; moto signs in all who assume a role, and verifies what they sign
    place.scene.apply(TOKENS_OF_THE_ACCOUNT).await;
    moto.verify_after(1).await;
    let account = |server_id: &str| {
        json!({"aws": {"role": "account", "vaultHeaderValue": server_id, "iamRoleArn": arn,
            "serviceAccountRef": {"name": "vault-login"}}})
    };
    place.issuer("account", json!({"auth": account("vault.example")})).await;
    place.is_ready("account").await;
    place.issue("account", "account").await;

    // the proof is for one Vault
    place
        .issuer("elsewhere", json!({"auth": account("other.example")}))
        .await;
    place.is_refused("elsewhere", "but got \"other.example\"").await;
}
