//! A namespace with an issuer, and targets of every kind.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::scene::{CERTIFICATES, SECRETS, Scene, decoded};
use crate::support::shop::condition;
use crate::support::{Bed, IN_TIME, eventually};

/// The annotations of cert-manager.
pub(crate) const FROM: &str = "cert-manager.io/inject-ca-from";
pub(crate) const FROM_SECRET: &str = "cert-manager.io/inject-ca-from-secret";
pub(crate) const FROM_SERVER: &str = "cert-manager.io/inject-apiserver-ca";
pub(crate) const ALLOWS: &str = "cert-manager.io/allow-direct-injection";

/// A kind of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Validating,
    Mutating,
    ApiService,
    Definition,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Validating, Self::Mutating, Self::ApiService, Self::Definition];

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Validating => ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            Self::Mutating => ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
            Self::ApiService => ("apiregistration.k8s.io/v1", "APIService"),
            Self::Definition => ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Validating => "validatingwebhookconfigurations",
            Self::Mutating => "mutatingwebhookconfigurations",
            Self::ApiService => "apiservices",
            Self::Definition => "customresourcedefinitions",
        }
    }

    /// The name of a target: those of APIServices and CRDs have parts with a meaning.
    fn name(self, group: &str) -> String {
        match self {
            Self::Validating | Self::Mutating => format!("hooks.{group}"),
            Self::ApiService => format!("v1.{group}"),
            Self::Definition => format!("things.{group}"),
        }
    }

    fn body(self, group: &str, namespace: &str) -> Value {
        let service = json!({"name": "some-service", "namespace": namespace});
        match self {
            Self::Validating | Self::Mutating => {
                let hook = |name: &str, client: Value| {
                    json!({"name": name, "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                           "failurePolicy": "Ignore", "namespaceSelector": {"matchLabels": {"no": "namespace"}}})
                };
                json!({"webhooks": [
                    hook("hook1.fake.k8s.io", json!({"url": "https://localhost:8675"})),
                    hook("hook2.fake.k8s.io", json!({"service": service})),
                ]})
            }
            Self::ApiService => json!({"spec": {
                "group": group, "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10, "service": service,
            }}),
            Self::Definition => json!({"spec": {
                "group": group, "scope": "Namespaced", "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
                "conversion": {"strategy": "Webhook", "webhook": {
                    "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://localhost:8675"},
                }},
            }}),
        }
    }

    /// All bundles of a target, in PEM.
    fn bundles(self, object: &DynamicObject) -> Vec<String> {
        let read = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str).unwrap_or_default();
            String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
        };
        match self {
            Self::Validating | Self::Mutating => {
                let hooks = object.data["webhooks"].as_array().unwrap();
                hooks
                    .iter()
                    .map(|hook| read(hook.pointer("/clientConfig/caBundle")))
                    .collect()
            }
            Self::ApiService => vec![read(object.data.pointer("/spec/caBundle"))],
            Self::Definition => vec![read(
                object.data.pointer("/spec/conversion/webhook/clientConfig/caBundle"),
            )],
        }
    }
}

/// A target in the cluster. Dropping it deletes it.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) api: Api<DynamicObject>,
    kubeconfig: String,
}

impl Target {
    /// Waits until every bundle is this text.
    pub(crate) async fn has(&self, expected: &str) {
        eventually(
            &format!("{} {} has the CA", self.kind.plural(), self.name),
            IN_TIME,
            async || {
                self.bundles()
                    .await
                    .iter()
                    .all(|bundle| bundle == expected)
                    .then_some(())
            },
        )
        .await;
    }

    pub(crate) async fn bundles(&self) -> Vec<String> {
        self.kind.bundles(&self.api.get(&self.name).await.unwrap())
    }

    /// Nothing was injected.
    pub(crate) async fn has_none(&self) {
        assert!(
            self.bundles().await.iter().all(String::is_empty),
            "{:?}",
            self.bundles().await
        );
    }

    /// Server-side apply of these fields under this name.
    pub(crate) async fn apply_as(&self, manager: &str, fields: Value) {
        let (api_version, kind) = self.kind.names();
        let mut body = fields;
        body["apiVersion"] = json!(api_version);
        body["kind"] = json!(kind);
        body["metadata"] = json!({"name": self.name});
        let parameters = PatchParams::apply(manager).force();
        self.api
            .patch(&self.name, &parameters, &Patch::Apply(&body))
            .await
            .unwrap();
    }

    /// Who owns the bundles by server-side apply.
    pub(crate) async fn managers(&self) -> Vec<String> {
        let managed = self.api.get(&self.name).await.unwrap().metadata.managed_fields.unwrap();
        let owning = managed.into_iter().filter(|entry| {
            let fields = serde_json::to_string(&entry.fields_v1).unwrap();
            fields.contains("f:caBundle") && entry.operation.as_deref() == Some("Apply")
        });
        owning.filter_map(|entry| entry.manager).collect()
    }

    /// A merge patch of another client.
    pub(crate) async fn patch(&self, patch: &Value) {
        self.api
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let delete = [
            &*self.kubeconfig,
            "delete",
            "--wait=false",
            "--ignore-not-found",
            self.kind.plural(),
            &self.name,
        ];
        drop(std::process::Command::new("kubectl").args(delete).output());
    }
}

/// A namespace with a `SelfSigned` Issuer.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new().await;
        scene
            .apply(r#"{"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "self"}, "spec": {"selfSigned": {}}}"#)
            .await;
        Self { scene }
    }

    pub(crate) fn bed(&self) -> &Bed {
        &self.scene.bed
    }

    /// A target with these annotations; `name` is unique in the test.
    pub(crate) async fn target(&self, kind: Kind, name: &str, annotations: &[(&str, &str)]) -> Target {
        self.create(kind, name, annotations, &PostParams::default(), json!({}))
            .await
    }

    pub(crate) async fn create(
        &self,
        kind: Kind,
        name: &str,
        annotations: &[(&str, &str)],
        parameters: &PostParams,
        more: Value,
    ) -> Target {
        let (api_version, kind_name) = kind.names();
        let group = format!("{name}.{}.example", self.scene.namespace);
        let mut object = kind.body(&group, &self.scene.namespace);
        let pairs = annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value)));
        let metadata = json!({"name": kind.name(&group), "annotations": pairs.collect::<serde_json::Map<_, _>>()});
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind_name);
        object["metadata"] = metadata;
        if let Some(more) = more.as_object() {
            for (key, value) in more {
                object[key] = value.clone();
            }
        }
        let api = self.bed().objects(api_version, kind_name, None).await;
        api.create(parameters, &serde_json::from_value(object).unwrap())
            .await
            .unwrap();
        Target {
            kind,
            name: kind.name(&group),
            api,
            kubeconfig: format!("--kubeconfig={}", self.bed().kubeconfig().display()),
        }
    }

    /// Applies a Certificate, and returns the CA in its Secret once it is ready.
    pub(crate) async fn issue(&self, name: &str, hosts: &[&str]) -> String {
        let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": name}, "spec": {
            "secretName": format!("{name}-tls"), "dnsNames": hosts, "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": "self"}}});
        self.scene.apply(&certificate.to_string()).await;
        let certificates = self.scene.objects(CERTIFICATES).await;
        eventually("the Certificate as it is now is issued", IN_TIME, async || {
            let found = certificates.get(name).await.unwrap();
            let ready = condition(&found, "Ready");
            let is_of_now = ready["observedGeneration"].as_i64() == found.metadata.generation;
            let is_ready = ready["status"] == "True" && is_of_now;
            (is_ready && condition(&found, "Issuing")["status"] != "True").then_some(())
        })
        .await;
        self.ca(&format!("{name}-tls")).await
    }

    /// `ca.crt` of a Secret.
    pub(crate) async fn ca(&self, secret: &str) -> String {
        let secret = self.scene.objects(SECRETS).await.get(secret).await.unwrap();
        decoded(&secret, "/data/ca.crt")
    }

    /// Creates a Secret with a CA, or with whatever this is.
    pub(crate) async fn secret(&self, name: &str, annotations: &[(&str, &str)], ca: &str) {
        let pairs = annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value)));
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name,
            "annotations": pairs.collect::<serde_json::Map<_, _>>()}, "stringData": {"ca.crt": ca}});
        self.scene.apply(&secret.to_string()).await;
    }

    /// `<namespace>/<name>`.
    pub(crate) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.scene.namespace)
    }
}
