//! The cluster and the namespace that a command works with.

use clap::Args;
use kube::{Client, Config};

use crate::{cluster, runtime::run};

/// Flags of every command that uses a cluster.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Target {
    /// Path to the kubeconfig. Default: $KUBECONFIG, then ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Namespace. Default: the namespace of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// A client and the namespace to use.
pub(super) struct Connected {
    /// The client.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

impl Target {
    /// Connects to the API server.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong in the configuration.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        self.connected(cluster::client::connect).await
    }

    /// Connects to the API server with a client that writes nothing, whatever the credentials allow.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub(super) async fn connect_to_read(&self) -> Result<Connected, String> {
        self.connected(cluster::client::connect_to_read).await
    }

    async fn connected(&self, connect: fn(&Config) -> Result<Client, kube::Error>) -> Result<Connected, String> {
        let config = run::kube_config(self.kubeconfig.as_deref(), None)
            .await
            .map_err(|error| error.to_string())?;
        let client = connect(&config).map_err(|error| error.to_string())?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        Ok(Connected { client, namespace })
    }
}

/// Runs a command's future to its end. The caller must not be inside a runtime.
pub(super) fn run_to_end<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(future)
}

/// Runs a command's future, prints its error, and returns the exit code.
pub(super) fn block_on(future: impl Future<Output = Result<(), String>>) -> std::process::ExitCode {
    match run_to_end(future) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => super::fail(&error),
    }
}

/// The error of a request as a sentence that begins with `what`.
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
