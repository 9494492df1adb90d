//! A trust namespace, namespaces for targets, and the programs that write them.

use std::collections::BTreeMap;
use std::process::Stdio;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::bed::project;
use crate::support::{Bed, Certlet, IN_TIME, eventually, on_path};

pub(crate) const PROGRAM: &str = "trust-manager";
const BUNDLES: (&str, &str) = ("trust.cert-manager.io/v1alpha1", "Bundle");

/// See the module. Dropping it deletes its Bundles, which all namespaces share.
pub(crate) struct Stage {
    pub(crate) bed: Bed,
    /// The namespace of the sources; also what the names of Bundles, and the labels of namespaces with targets, are made of.
    pub(crate) trust: String,
}

impl Stage {
    /// A new trust namespace in a bed that knows Bundles, and certlet's rights; `None` if trust-manager is not there, which is reported.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let bed = Bed::attach().await;
        let Some(definitions) = on_path("trust-definitions") else {
            bed.skip(test, "tests/testbed/build.sh trust has not been run");
            return None;
        };
        bed.install_crds().await;
        let definition = definitions.join("trust.cert-manager.io_bundles.yaml");
        let definition = definition.to_str().unwrap();
        bed.kubectl(&["apply", "--server-side", "-f", definition]).await;
        bed.kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "-f", definition])
            .await;
        let rights = project().join("deploy/bundles/rbac.yaml");
        bed.kubectl(&["apply", "-f", rights.to_str().unwrap()]).await;
        let trust = bed.new_namespace().await;
        Some(Self { bed, trust })
    }

    /// A namespace that Bundles of this stage select.
    pub(crate) async fn target_namespace(&self) -> String {
        let namespace = self.bed.new_namespace().await;
        self.label(&namespace, "yes").await;
        namespace
    }

    /// Sets the label that Bundles of this stage select.
    pub(crate) async fn label(&self, namespace: &str, value: &str) {
        let label = format!("trust-{}={value}", self.trust);
        self.bed
            .kubectl(&["label", "--overwrite", "namespace", namespace, &label])
            .await;
    }

    /// Applies an object into the trust namespace.
    pub(crate) async fn source(&self, object: &Value) {
        self.bed.apply(&self.trust, &object.to_string()).await;
    }

    /// A ConfigMap with this text.
    pub(crate) async fn config_map(&self, name: &str, data: Value) {
        self.source(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}))
            .await;
    }

    /// The name of a Bundle of this stage.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.trust)
    }

    /// Applies a Bundle with these sources and this target, for the namespaces of this stage.
    pub(crate) async fn bundle(&self, name: &str, sources: Value, mut target: Value) {
        target["namespaceSelector"] = json!({"matchLabels": {format!("trust-{}", self.trust): "yes"}});
        let bundle = json!({"apiVersion": BUNDLES.0, "kind": BUNDLES.1, "metadata": {"name": self.name(name)},
            "spec": {"sources": sources, "target": target}});
        self.bed.apply("default", &bundle.to_string()).await;
    }

    pub(crate) async fn bundles(&self) -> Api<DynamicObject> {
        self.bed.objects(BUNDLES.0, BUNDLES.1, None).await
    }

    /// The Synced condition of a Bundle, once it is one that `wanted` accepts, for the present generation.
    pub(crate) async fn condition(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (bundles, name) = (self.bundles().await, self.name(name));
        eventually(&format!("the condition of {name}"), IN_TIME, async || {
            let found = bundles.get(&name).await.unwrap();
            let conditions = found.data.pointer("/status/conditions")?.as_array()?.clone();
            let synced = conditions.into_iter().find(|condition| condition["type"] == "Synced")?;
            let is_of_now = synced["observedGeneration"].as_i64() == found.metadata.generation;
            (is_of_now && wanted(&synced)).then_some(synced)
        })
        .await
    }

    /// Waits until a Bundle is synced.
    pub(crate) async fn synced(&self, name: &str) -> Value {
        self.condition(name, |synced| synced["status"] == "True").await
    }

    /// Waits until a Bundle is not synced for this reason, in a sentence with this text, which is returned.
    pub(crate) async fn fails(&self, name: &str, reason: &str, text: &str) -> String {
        let found = self.condition(name, |synced| {
            let message = synced["message"].as_str().unwrap_or_default();
            synced["status"] == "False" && synced["reason"] == reason && message.contains(text)
        });
        found.await["message"].as_str().unwrap().to_owned()
    }

    /// The target of a Bundle of a kind, if it is there.
    pub(crate) async fn target(&self, kind: &str, namespace: &str, name: &str) -> Option<DynamicObject> {
        let objects = self.bed.objects("v1", kind, Some(namespace)).await;
        objects.get_opt(&self.name(name)).await.unwrap()
    }

    /// Waits until the target is there.
    pub(crate) async fn target_in(&self, kind: &str, namespace: &str, name: &str) -> DynamicObject {
        let what = format!("{kind} of {name} in {namespace}");
        eventually(&what, IN_TIME, async || self.target(kind, namespace, name).await).await
    }

    /// The resourceVersions of everything that a controller of Bundles writes, by kind and place.
    pub(crate) async fn versions(&self, namespaces: &[&str]) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        let mut add = |what: String, object: DynamicObject| {
            let name = object.metadata.name.unwrap();
            if name.ends_with(&self.trust) {
                versions.insert(format!("{what}/{name}"), object.metadata.resource_version.unwrap());
            }
        };
        for namespace in namespaces {
            for kind in ["ConfigMap", "Secret"] {
                let objects = self.bed.objects("v1", kind, Some(namespace)).await;
                for object in objects.list(&ListParams::default()).await.unwrap() {
                    add(format!("{kind}/{namespace}"), object);
                }
            }
        }
        for bundle in self.bundles().await.list(&ListParams::default()).await.unwrap() {
            add("Bundle".to_owned(), bundle);
        }
        versions
    }

    /// certlet with this trust namespace.
    pub(crate) async fn certlet(&self, args: &[&str]) -> Certlet {
        let trust = format!("--trust-namespace={}", self.trust);
        Certlet::start(&self.bed, &[&["--enable-bundles", &trust][..], args].concat()).await
    }

    /// trust-manager with this trust namespace. Its webhook is unknown to the API server, and answers nobody.
    pub(crate) fn trust_manager(&self, args: &[&str]) -> TrustManager {
        let folder = self.bed.path(&format!("run/trust-manager-{}", self.trust));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, of) in [("tls.crt", "pki/apiserver.crt"), ("tls.key", "pki/apiserver.key")] {
            std::fs::copy(self.bed.path(of), folder.join(file)).unwrap();
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.bed.path(&format!("logs/trust-manager-{}.log", self.trust)))
            .unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .arg(format!("--kubeconfig={}", self.bed.kubeconfig().display()))
            .arg(format!("--trust-namespace={}", self.trust))
            .arg(format!("--webhook-certificate-dir={}", folder.display()))
            .args([
                "--webhook-host=127.0.0.1",
                "--webhook-port=16443",
                "--leader-elect=false",
            ])
            .args(["--metrics-port=19402", "--readiness-probe-port=16060", "--log-level=5"])
            .args(args);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        TrustManager(child)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let kubeconfig = format!("--kubeconfig={}", self.bed.kubeconfig().display());
        let script = format!(
            "kubectl {kubeconfig} get bundles -o name | grep -- '-{}$' | xargs -r kubectl {kubeconfig} delete --wait=false",
            self.trust
        );
        let done = std::process::Command::new("sh").args(["-c", &script]).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// A running trust-manager.
pub(crate) struct TrustManager(Child);

impl TrustManager {
    /// Ends it, and waits for that.
    pub(crate) async fn stop(mut self) {
        self.0.kill().await.unwrap();
    }
}
