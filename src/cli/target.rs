//! Which cluster, and which namespace, a command talks to.

use clap::Args;
use kube::Client;

use crate::{cluster, runtime::run};

/// Flags that every command with a cluster has.
#[derive(Args, Clone, Debug, Default)]
pub struct Target {
    /// Kubeconfig of the cluster; otherwise the variable KUBECONFIG, or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Namespace; otherwise the one of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// A client, and the namespace that is meant.
pub struct Connected {
    /// The client.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

impl Target {
    /// Connects.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub async fn connect(&self) -> Result<Connected, String> {
        let config = run::kube_config(self.kubeconfig.as_deref(), None)
            .await
            .map_err(|error| error.to_string())?;
        let client = cluster::client::connect(&config).map_err(|error| error.to_string())?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        Ok(Connected { client, namespace })
    }
}

/// Runs a command's future; there is no runtime before it.
pub(super) fn run_to_end<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(future)
}

/// Runs a command's future, and tells how it ended.
pub(super) fn block_on(future: impl Future<Output = Result<(), String>>) -> std::process::ExitCode {
    match run_to_end(future) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}

/// What the API server said about `what`, as a sentence.
pub(super) fn failed(what: &str, error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let advice =
            cluster::webhooks::advice(&status.message).map_or_else(String::new, |advice| format!(". {advice}"));
        return format!("{what}: {}{advice}", status.message);
    }
    if matches!(error, kube::Error::HyperError(_) | kube::Error::Service(_)) {
        return format!("{what}: the API server does not answer: {error}");
    }
    format!("{what}: {error}")
}
