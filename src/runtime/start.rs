//! One log line about this process at its start: what is needed to understand all later ones.

use std::time::Duration;

use crate::{
    cluster::reader::Reader,
    plan::settings::{Gates, Settings},
    process::telemetry::START,
};

/// Time limit for the API server's version. The controllers wait for it.
const LIMIT: Duration = Duration::from_secs(2);
/// API groups without which there is nothing to reconcile.
const GROUPS: [&str; 2] = ["cert-manager.io", "acme.cert-manager.io"];

/// What only the command line tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// Flags whose value is not the default, as `--flag=value`.
    pub flags: Vec<String>,
    /// What they request and certlet does not have.
    pub missing: Vec<String>,
}

/// Logs the line.
pub(super) async fn report(reader: &Reader, start: &Start, settings: &Settings) {
    let client = reader.client();
    let asked = async { tokio::join!(client.apiserver_version(), client.list_api_groups()) };
    let (version, groups) = match tokio::time::timeout(LIMIT, asked).await {
        Ok((version, groups)) => {
            let version = version.map_or_else(|error| format!("unknown: {error}"), |version| version.git_version);
            let groups = groups
                .ok()
                .map(|groups| groups.groups.into_iter().map(|group| group.name).collect());
            (version, groups)
        }
        Err(_) => ("unknown: it does not answer".to_owned(), None),
    };
    tracing::info!(
        target: START,
        version = env!("CARGO_PKG_VERSION"),
        flags = start.flags.join(" "),
        gates = gates(settings.gates),
        kubernetes = version,
        missing = missing(groups, &start.missing).join("; "),
        "starting certlet"
    );
}

/// The feature gates with their values.
fn gates(gates: Gates) -> String {
    let gates = gates.by_name().map(|(name, is_on)| format!("{name}={is_on}"));
    gates.join(",")
}

/// What is missing: in the API server with these groups, if they are known, and in certlet.
fn missing(groups: Option<Vec<String>>, requested: &[String]) -> Vec<String> {
    let absent = groups.into_iter().flat_map(|groups| {
        let absent = GROUPS
            .into_iter()
            .filter(move |group| !groups.iter().any(|known| known == group));
        absent.map(|group| format!("the API group {group}"))
    });
    absent.chain(requested.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_missing_only_if_the_api_server_has_answered() {
        let requested = ["the Gateway API".to_owned()];
        assert_eq!(missing(None, &requested), requested);
        let groups = vec!["apps".to_owned(), "cert-manager.io".to_owned()];
        assert_eq!(
            missing(Some(groups), &requested),
            ["the API group acme.cert-manager.io", "the Gateway API"]
        );
    }

    #[test]
    fn gates_have_cert_manager_s_names() {
        let line = gates(Settings::default().gates);
        assert!(line.contains("ACMEUseARI=true,"), "{line}");
    }
}
