//! Replicas come and go while challenges are in flight: the slices follow them, whether or not an Order is being looked at.

use std::{sync::Arc, time::Duration};

use super::Http01;
use crate::{controller::Ports, plan::settings::SolverMode};

/// How often it is asked who is there, while anything is shown. One that ends waits for this (`plan::ending`).
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps the slices up to date as long as this process leads.
pub async fn follow_replicas(http01: Arc<Http01>, ports: Ports) {
    if ports.settings.http01.mode == SolverMode::Pod {
        return;
    }
    let mut failed = false;
    while ports.writer.leads() {
        tokio::time::sleep(INTERVAL).await;
        match http01.follow_replicas(&ports).await {
            Ok(()) => failed = false,
            Err(error) if error.is_not_leader() => return,
            // said once: an API server that is away is away for longer than this interval
            Err(error) if !failed => {
                tracing::warn!("the addresses behind the solver Services are not up to date: {error}");
                failed = true;
            }
            Err(_) => {}
        }
    }
}
