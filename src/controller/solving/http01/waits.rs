//! Who waits for a change of the HTTPRoute of an Order, or of a possible parent of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::Notify;

use crate::plan::seen::ObjectKey;

/// The waiters of each Order. One that waits no more is removed with the next that begins to.
#[derive(Debug, Default)]
pub(super) struct RouteWaits(Mutex<HashMap<ObjectKey, Weak<Notify>>>);

impl RouteWaits {
    /// Notified of every change that concerns the Order.
    pub(super) fn of(&self, order: &ObjectKey) -> Arc<Notify> {
        let mut waits = self.lock();
        if let Some(there) = waits.get(order).and_then(Weak::upgrade) {
            return there;
        }
        waits.retain(|_, wait| wait.strong_count() > 0);
        let wait = Arc::new(Notify::new());
        waits.insert(order.clone(), Arc::downgrade(&wait));
        wait
    }

    /// Wakes those that wait for a change that concerns these Orders.
    pub(super) fn wake(&self, orders: &[ObjectKey]) {
        let waits = self.lock();
        for wait in orders.iter().filter_map(|order| waits.get(order)?.upgrade()) {
            wait.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Weak<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_change_wakes_all_that_wait_for_its_order_and_no_others() {
        let waits = RouteWaits::default();
        let [web, shop] = ["web", "shop"].map(|name| ObjectKey::new("default", name));
        let (first, second, other) = (waits.of(&web), waits.of(&web), waits.of(&shop));
        let woken = [first.notified(), second.notified()];
        let asleep = other.notified();
        waits.wake(std::slice::from_ref(&web));
        assert!(woken.into_iter().all(|woken| woken.now_or_never().is_some()));
        assert!(asleep.now_or_never().is_none());
    }

    #[test]
    fn orders_that_nothing_waits_for_are_forgotten() {
        let waits = RouteWaits::default();
        for number in 0..100 {
            drop(waits.of(&ObjectKey::new("default", format!("order-{number}"))));
        }
        assert_eq!(waits.lock().len(), 1);
    }
}
