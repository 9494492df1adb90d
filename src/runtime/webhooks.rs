//! Reports cert-manager's admission webhook at the start: it may have outlived cert-manager, and then no write succeeds.

use std::time::Duration;

use kube::Client;

use crate::cluster::webhooks::{Webhook, Which, find};

/// How often a configuration that stops all writes is looked for again.
const RETRY: Duration = Duration::from_secs(5);

/// Logs what the configurations of cert-manager's webhook mean, and, where they stop all writes, that they are gone. An
/// installation for one namespace has no right to read them: there, only the text of a refused write tells.
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
                tracing::info!("whether cert-manager's webhook is still configured cannot be seen: {error}");
                return;
            }
            Err(error) => tracing::debug!(%error, "cert-manager's webhook was not looked for"),
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
        tracing::info!("cert-manager's webhook stops writes no more");
    }
}
