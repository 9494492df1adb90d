//! The periodic transfer of slots that were held for too long.

use std::{sync::Arc, time::Duration};

use super::orders::Orders;
use crate::controller::FollowUp;

/// The interval of transfers.
const SLOTS_EVERY: Duration = Duration::from_secs(10);

/// Transfers slots at each interval, while this process is the leader.
pub(crate) async fn lend_slots(controller: Arc<Orders>) {
    loop {
        tokio::time::sleep(SLOTS_EVERY).await;
        for order in controller.state.give(controller.ports.now()) {
            controller.ports.queues.follow_up(FollowUp::SlotFree(order));
        }
    }
}
