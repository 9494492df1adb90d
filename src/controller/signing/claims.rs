//! Claims on requests that are created, signed and written in one pass, so that another worker does not sign them.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    controller::{FollowUp, queues::Queues},
    plan::seen::ObjectKey,
};

/// The claimed requests.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashSet<ObjectKey>>);

/// A claim. While it lives, the controller of requests skips the request. It requeues it on drop.
#[must_use = "a claim ends when it is dropped"]
pub(crate) struct Claim {
    claims: Arc<Claims>,
    queues: Arc<Queues>,
    key: ObjectKey,
}

impl Claims {
    /// Takes a request, before it is created.
    pub(crate) fn claim(self: &Arc<Self>, queues: &Arc<Queues>, key: ObjectKey) -> Claim {
        self.lock().insert(key.clone());
        Claim {
            claims: Arc::clone(self),
            queues: Arc::clone(queues),
            key,
        }
    }

    /// Whether the request is claimed.
    pub(crate) fn holds(&self, key: &ObjectKey) -> bool {
        self.lock().contains(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ObjectKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.key)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.key);
        self.queues.follow_up(FollowUp::Unclaimed(self.key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_until_it_is_dropped_and_then_the_request_is_looked_at() {
        let (claims, queues) = (Arc::new(Claims::default()), Arc::<Queues>::default());
        queues.requests.resume([]);
        let key = ObjectKey::new("shop", "web-1");
        let claim = claims.claim(&queues, key.clone());
        assert!(claims.holds(&key) && queues.requests.is_idle());
        drop(claim);
        assert!(!claims.holds(&key) && queues.requests.waiting() == 1);
    }
}
