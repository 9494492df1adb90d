//! A namespace with a CA issuer and a certlet: what tests of certificates without a public CA begin with.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::certlet::PROGRAM;
use super::command::Finished;
use super::{
    AuditMark, AuditedWrite, Bed, Certlet, IN_TIME, condition_is, condition_reason_is, events, eventually, until,
};

/// A namespace with a CA issuer `ca`, and a certlet that serves it.
pub(crate) struct Shop {
    pub(crate) bed: Bed,
    pub(crate) namespace: String,
    pub(crate) certificates: Api<DynamicObject>,
    pub(crate) requests: Api<DynamicObject>,
    pub(crate) secrets: Api<Secret>,
    pub(crate) certlet: Certlet,
}

const ISSUERS: &str = r#"
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"own"},"spec":{"selfSigned":{}}},
 {"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"root"},"spec":{"isCA":true,"commonName":"shop root",
  "secretName":"root","privateKey":{"algorithm":"ECDSA"},"issuerRef":{"name":"own"}}},
 {"apiVersion":"cert-manager.io/v1","kind":"Issuer","metadata":{"name":"ca"},"spec":{"ca":{"secretName":"root"}}}]}"#;

impl Shop {
    /// With the issuer.
    pub(crate) async fn open(args: &[&str]) -> Self {
        let shop = Self::empty(args).await;
        shop.add_issuers().await;
        shop.is_ready("root").await;
        shop
    }

    /// With a certlet, and nothing else yet.
    pub(crate) async fn empty(args: &[&str]) -> Self {
        let bed = Bed::attach().await;
        bed.install_crds().await;
        let namespace = bed.new_namespace().await;
        let certlet = Certlet::start(&bed, args).await;
        Self::of(bed, namespace, certlet).await
    }

    /// A namespace of a bed that has this project's API, and a certlet that somebody else has started.
    pub(crate) async fn of(bed: Bed, namespace: String, certlet: Certlet) -> Self {
        let certificates = bed.objects("cert-manager.io/v1", "Certificate", Some(&namespace)).await;
        let requests = bed
            .objects("cert-manager.io/v1", "CertificateRequest", Some(&namespace))
            .await;
        let secrets = Api::namespaced(bed.client(), &namespace);
        Self {
            bed,
            namespace,
            certificates,
            requests,
            secrets,
            certlet,
        }
    }

    /// The issuers, the CA's own Certificate `root` among them.
    pub(crate) async fn add_issuers(&self) {
        self.apply(ISSUERS).await;
    }

    /// The same with another certlet, after the first was killed.
    pub(crate) async fn restarted(self) -> Self {
        self.certlet.kill();
        self.with_another(&[]).await
    }

    /// The same with another certlet, after the first was asked to end.
    pub(crate) async fn stopped_and_started(self, args: &[&str]) -> Self {
        assert!(self.certlet.stop().await.success());
        self.with_another(args).await
    }

    /// The same with another certlet; the first has ended.
    pub(crate) async fn with_another(self, args: &[&str]) -> Self {
        let Self { certlet, bed, .. } = self;
        drop(certlet);
        let certlet = Certlet::start(&bed, args).await;
        Self { bed, certlet, ..self }
    }

    /// A program with a cluster, told which and where.
    pub(crate) async fn command(&self, program: &str, args: &[&str]) -> Finished {
        self.bed.command(program, &self.namespace, args).await
    }

    /// What cmctl says, which has to succeed.
    pub(crate) async fn cmctl(&self, args: &[&str]) -> String {
        succeeded(self.command("cmctl", args).await)
    }

    /// What one of certlet's commands says, which has to succeed.
    pub(crate) async fn says(&self, args: &[&str]) -> String {
        succeeded(self.command(PROGRAM, args).await)
    }

    pub(crate) async fn apply(&self, manifest: &str) {
        self.bed.apply(&self.namespace, manifest).await;
    }

    pub(crate) async fn certificate(&self, name: &str, extra: Value) {
        let mut spec = json!({"secretName": name, "dnsNames": [format!("{name}.example.com")], "issuerRef": {"name": "ca"},
            "privateKey": {"algorithm": "ECDSA"}});
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let object = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": spec});
        self.apply(&object.to_string()).await;
    }

    pub(crate) async fn is_ready(&self, name: &str) -> DynamicObject {
        until(&self.certificates, name, IN_TIME, condition_is("Ready", "True"))
            .await
            .unwrap()
    }

    /// Waits until a Certificate has this revision and nothing is being issued.
    pub(crate) async fn has_revision(&self, name: &str, revision: i64) {
        eventually(&format!("revision {revision} of {name}"), IN_TIME, async || {
            let certificate = self.certificates.get(name).await.ok()?;
            let settled = condition(&certificate, "Issuing").is_null();
            (certificate.data["status"]["revision"] == revision && settled).then_some(())
        })
        .await;
    }

    pub(crate) async fn is_refused(&self, name: &str, reason: &'static str) -> String {
        let refused = until(&self.certificates, name, IN_TIME, condition_reason_is("Ready", reason))
            .await
            .unwrap();
        condition(&refused, "Ready")["message"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn secret(&self, name: &str) -> Secret {
        self.secrets.get(name).await.unwrap()
    }

    /// The Secrets with keys of issuances that are under way.
    pub(crate) async fn next_keys(&self) -> Vec<Secret> {
        let labelled = ListParams::default().labels("cert-manager.io/next-private-key=true");
        self.secrets.list(&labelled).await.unwrap().items
    }

    /// Waits until no issuance holds a key any more.
    pub(crate) async fn no_next_key_is_left(&self) {
        eventually("no next key left", IN_TIME, async || {
            self.next_keys().await.is_empty().then_some(())
        })
        .await;
    }

    pub(crate) async fn patch_spec(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.certificates
            .patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// What certlet wrote into this namespace.
    pub(crate) async fn written(&self, since: AuditMark) -> Vec<AuditedWrite> {
        let writes = self.bed.writes_since(since).await.into_iter();
        writes
            .filter(|write| write.namespace == self.namespace && write.agent.starts_with("certlet"))
            .collect()
    }

    /// What certlet wrote about one Certificate and what belongs to it, in words.
    pub(crate) async fn written_about(&self, name: &str, since: AuditMark) -> Vec<String> {
        let about = |write: &AuditedWrite| write.name == name || write.name.starts_with(&format!("{name}-"));
        self.written(since)
            .await
            .iter()
            .filter(|write| about(write))
            .map(|write| format!("{} {}", write.verb, write.resource))
            .collect()
    }

    /// Everything that was to be done has been done: a Certificate applied after it is Ready.
    pub(crate) async fn everything_before_is_done(&self) {
        let name = format!(
            "later-{}",
            self.certificates
                .list(&ListParams::default())
                .await
                .unwrap()
                .items
                .len()
        );
        self.certificate(&name, json!({})).await;
        self.is_ready(&name).await;
    }

    /// An Issuer that signs with the CA in this Secret.
    pub(crate) async fn ca_issuer(&self, name: &str, secret: &str, annotations: Value) {
        let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer",
            "metadata": {"name": name, "annotations": annotations}, "spec": {"ca": {"secretName": secret}}});
        self.apply(&issuer.to_string()).await;
    }

    pub(crate) async fn issuers(&self) -> Api<DynamicObject> {
        self.bed
            .objects("cert-manager.io/v1", "Issuer", Some(&self.namespace))
            .await
    }

    /// The messages of the events about an object with this reason, once there is one.
    pub(crate) async fn told(&self, name: &str, reason: &str) -> String {
        events::told(&self.bed, &self.namespace, name, reason).await
    }

    pub(crate) async fn requests_of(&self, name: &str) -> Vec<DynamicObject> {
        let all = self.requests.list(&ListParams::default()).await.unwrap();
        let of = |request: &DynamicObject| {
            request
                .metadata
                .annotations
                .as_ref()
                .and_then(|map| map.get("cert-manager.io/certificate-name"))
                .is_some_and(|n| n == name)
        };
        all.items.into_iter().filter(of).collect()
    }
}

fn succeeded(finished: Finished) -> String {
    assert!(finished.status.success(), "{finished:?}");
    finished.stdout
}

pub(crate) fn condition(object: &DynamicObject, kind: &str) -> Value {
    let conditions = object.data["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions
        .into_iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or_default()
}

pub(crate) fn data(secret: &Secret, key: &str) -> Vec<u8> {
    secret
        .data
        .as_ref()
        .unwrap()
        .get(key)
        .unwrap_or_else(|| panic!("{key} is missing"))
        .0
        .clone()
}

pub(crate) fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(data(secret, key)).unwrap()
}

pub(crate) fn keys(secret: &Secret) -> Vec<&str> {
    secret.data.as_ref().unwrap().keys().map(String::as_str).collect()
}
