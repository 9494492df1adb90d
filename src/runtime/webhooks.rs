//! Start-up check for cert-manager's admission webhook, which may have outlived cert-manager and then rejects all writes.

use std::time::Duration;

use kube::Client;

use crate::cluster::webhooks::{Webhook, Which, find};

/// Interval of checks while a configuration rejects all writes.
const RETRY: Duration = Duration::from_secs(5);

/// Logs the effect of configurations of cert-manager's webhook and, if they rejected writes, their removal. An installation for a
/// single namespace may not read them; there only the error of a rejected write reports them.
pub(super) async fn report(client: Client, whole_cluster: bool) {
    if !whole_cluster {
        return;
    }
    let mut reported: Vec<Webhook> = Vec::new();
    loop {
        match find(&client, Which::Usual).await {
            Ok(found) => {
                if found != reported {
                    log(&reported, &found);
                    reported = found;
                }
                if !reported.iter().any(|webhook| webhook.blocks) {
                    return;
                }
            }
            Err(error) if error.is_forbidden() => {
                tracing::info!("cannot check whether cert-manager's webhook is still configured: {error}");
                return;
            }
            Err(error) => tracing::debug!(%error, "did not check for cert-manager's webhook"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn log(before: &[Webhook], now: &[Webhook]) {
    for webhook in now {
        if webhook.blocks {
            tracing::warn!("{}", webhook.sentences());
        } else {
            tracing::info!("{}", webhook.sentences());
        }
    }
    if !before.is_empty() && !now.iter().any(|webhook| webhook.blocks) {
        tracing::info!("cert-manager's webhook no longer rejects writes");
    }
}
