//! helm, and `bed-helm`, which renders many values in one process.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::bed::project;
use crate::support::command::{Finished, on_path, run_with_input, try_run};
use crate::support::{Bed, run};

/// The kind that the API server has from Kubernetes 1.36 on, as helm names it.
const REQUESTERS: &str = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy";

/// helm, in a bed.
pub(crate) struct Helm {
    pub(crate) bed: Bed,
}

/// What helm makes of values. If it refuses them, `error` has its sentence and the rest is empty.
#[derive(Debug, Deserialize)]
pub(crate) struct Rendered {
    pub(crate) manifest: String,
    /// What `helm test` and hooks create, which are not among the objects.
    pub(crate) hooks: String,
    pub(crate) notes: String,
    pub(crate) error: String,
}

impl Rendered {
    /// The objects, those of `helm test` not among them.
    ///
    /// # Panics
    /// If helm refused the values.
    pub(crate) fn objects(&self) -> Vec<Value> {
        assert_eq!(self.error, "");
        let parts = self.manifest.split("---\n# Source: ").skip(1);
        parts
            .map(|part| serde_saphyr::from_str(part.split_once('\n').unwrap().1).unwrap())
            .collect()
    }
}

impl Helm {
    /// `None`: it has not been built, which was said.
    pub(crate) async fn prepare(test: &str) -> Option<Self> {
        let bed = Bed::attach().await;
        if on_path("bed-helm").is_some() {
            return Some(Self { bed });
        }
        bed.skip(test, "tests/testbed/build.sh helm has not been run");
        None
    }

    /// Renders the chart with each of these values, as a release `cert-manager` in the namespace of that name.
    pub(crate) async fn render(&self, values: &[Value]) -> Vec<Rendered> {
        let cases: Vec<Value> = values.iter().map(|values| case("cert-manager", values)).collect();
        self.render_cases(&cases).await
    }

    pub(crate) async fn render_cases(&self, cases: &[Value]) -> Vec<Rendered> {
        let printed = run_with_input("bed-helm", &[chart()], &json!(cases).to_string()).await;
        let rendered: Vec<Rendered> = serde_json::from_str(&printed).unwrap();
        assert_eq!(rendered.len(), cases.len());
        rendered
    }

    /// helm at the API server of the bed.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub(crate) async fn run(&self, args: &[&str]) -> String {
        let kubeconfig = self.bed.kubeconfig().display().to_string();
        run("helm", &[&["--kubeconfig", &kubeconfig], args].concat()).await
    }

    /// helm at the API server of the bed; failing is an answer too.
    pub(crate) async fn try_run(&self, args: &[&str]) -> Finished {
        let kubeconfig = self.bed.kubeconfig().display().to_string();
        try_run("helm", &[&["--kubeconfig", &kubeconfig], args].concat(), None).await
    }
}

/// A case of bed-helm, for a server of Kubernetes 1.36.
pub(crate) fn case(release: &str, values: &Value) -> Value {
    json!({"release": release, "namespace": "cert-manager", "kubeVersion": "v1.36.0", "apiVersions": [REQUESTERS], "values": values})
}

/// Where the chart is.
pub(crate) fn chart() -> String {
    project().join("deploy/chart").display().to_string()
}
