//! Slots for challenges that were lent for long enough are given to those that wait.

use std::{sync::Arc, time::Duration};

use super::orders::Orders;
use crate::controller::FollowUp;

/// How often slots that were lent for long enough are looked for.
const SLOTS_EVERY: Duration = Duration::from_secs(10);

/// Looks now and then for slots that were lent for long enough, as long as this process leads.
pub async fn lend_slots(controller: Arc<Orders>) {
    loop {
        tokio::time::sleep(SLOTS_EVERY).await;
        for order in controller.state.give(controller.ports.now()) {
            controller.ports.queues.follow_up(FollowUp::SlotFree(order));
        }
    }
}
