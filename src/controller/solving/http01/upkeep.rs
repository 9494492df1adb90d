//! Updates of the slices when replicas start or end, independent of reconciles of Orders.

use std::{sync::Arc, time::Duration};

use super::Http01;
use crate::{controller::Ports, plan::settings::SolverMode};

/// The interval of updates while challenges are in flight. A replica that ends waits for it (`plan::ending`).
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps the slices up to date while this process is the leader.
pub(crate) async fn follow_replicas(http01: Arc<Http01>, ports: Ports) {
    if ports.settings.http01.mode == SolverMode::Pod {
        return;
    }
    let mut failed = false;
    while ports.writer.leads() {
        tokio::time::sleep(INTERVAL).await;
        match http01.follow_replicas(&ports).await {
            Ok(()) => failed = false,
            Err(error) if error.is_not_leader() => return,
            // logged once: an outage of the API server lasts longer than this interval
            Err(error) if !failed => {
                tracing::warn!("the addresses behind the solver Services are not up to date: {error}");
                failed = true;
            }
            Err(_) => {}
        }
    }
}
