//! The cluster and the namespace that a command works with: kubectl's flags, with kubectl's meaning.

mod words;

use std::{sync::Arc, time::Duration};

use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use kube::Client;

use super::{args::duration, complete};
use crate::{
    cluster::{
        self,
        client::{TooSlow, Unreachable},
        kubeconfig::{self, Choice},
    },
    process::environment::KubeconfigPlaces,
};

/// A larger time limit of a request is as good as this one, and might not be a time that the clock can show.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24 * 365);

/// Flags of every command that uses a cluster.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Cluster")]
pub(super) struct Target {
    /// Path to the kubeconfig. Default: the files of $KUBECONFIG, then ~/.kube/config, then the service account of the pod
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Namespace. Default: the namespace of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE", add = ArgValueCandidates::new(complete::namespaces))]
    pub namespace: Option<String>,
    /// The name of the kubeconfig context to use
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::contexts))]
    pub context: Option<String>,
    /// The name of the kubeconfig cluster to use
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::clusters))]
    pub cluster: Option<String>,
    /// The name of the kubeconfig user to use
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::users))]
    pub user: Option<String>,
    /// Username to impersonate for the operation. User could be a regular user or a service account in a namespace
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate for the operation, this flag can be repeated to specify multiple groups
    #[arg(long, value_name = "GROUP")]
    pub as_group: Vec<String>,
    /// Time to wait before giving up on a single server request, with its unit (1s, 2m, 3h). 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    pub request_timeout: Option<Duration>,
}

/// A client and the namespace to use.
pub(super) struct Connected {
    /// The client.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
    /// The CA by which the client trusts the API server, in PEM; `None` if the configuration names none.
    pub api_server_ca: Option<Arc<[u8]>>,
}

impl Target {
    /// Connects to the API server.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong in the configuration.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        self.connect_with(cluster::client::connect_within).await
    }

    /// Connects to the API server with a client that only reads.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(super) async fn connect_to_read(&self) -> Result<Connected, String> {
        self.connect_with(cluster::client::connect_to_read).await
    }

    async fn connect_with(
        &self,
        connect: fn(&kube::Config, Option<Duration>) -> Result<Client, kube::Error>,
    ) -> Result<Connected, String> {
        let config = kubeconfig::load(&self.choice(), &KubeconfigPlaces::read())
            .await
            .map_err(|error| error.to_string())?;
        let limit = self.request_timeout.filter(|limit| !limit.is_zero());
        let limit = limit.map(|limit| limit.min(LONGEST_TIMEOUT));
        let client = connect(&config, limit).map_err(|error| format!("cannot talk to the cluster: {error}"))?;
        let namespace = self.namespace.clone().filter(|namespace| !namespace.is_empty());
        Ok(Connected {
            client,
            namespace: namespace.unwrap_or_else(|| config.default_namespace.clone()),
            api_server_ca: kubeconfig::api_server_ca(&config),
        })
    }

    fn choice(&self) -> Choice {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        Choice {
            kubeconfig: given(&self.kubeconfig),
            context: given(&self.context),
            cluster: given(&self.cluster),
            user: given(&self.user),
            impersonate: given(&self.impersonate),
            impersonate_groups: self.as_group.clone(),
        }
    }
}

/// A time limit as kubectl reads it: a duration, or a number of seconds.
fn timeout(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    duration(text)
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
    if let kube::Error::Service(cause) = error {
        if cause.is::<Unreachable>() {
            return format!(
                "{what}: {cause}. Does it run, and do --kubeconfig and --context name the cluster that you mean?"
            );
        }
        if cause.is::<TooSlow>() {
            return format!("{what}: {cause}");
        }
    }
    if matches!(error, kube::Error::HyperError(_) | kube::Error::Service(_)) {
        return format!("{what}: the API server does not answer: {error}");
    }
    format!("{what}: {error}")
}
