//! The queues: one per controller, each an entry of [`queues`].

use std::sync::Arc;

use crate::{
    plan::{issuer::IssuerId, seen::ObjectKey},
    work::{Key, Queue},
};

/// A visitor of the queues.
pub trait QueueVisitor {
    /// Visits one queue.
    fn visit<K: Key>(&mut self, queue: &Queue<K>);
}

macro_rules! queues {
    ($($(#[$doc:meta])* $queue:ident: $key:ty = $made:expr;)*) => {
        /// One queue per controller.
        pub struct Queues {
            $($(#[$doc])* pub $queue: Arc<Queue<$key>>,)*
        }

        impl Default for Queues {
            fn default() -> Self {
                Self { $($queue: $made,)* }
            }
        }

        impl Queues {
            /// Visits every queue.
            pub fn each(&self, visitor: &mut impl QueueVisitor) {
                $(visitor.visit(&self.$queue);)*
            }
        }
    };
}

queues! {
    /// Certificates.
    certificates: ObjectKey = Queue::new("certificates");
    /// CertificateRequests.
    requests: ObjectKey = Queue::new("certificaterequests");
    /// Orders.
    orders: ObjectKey = Queue::new("orders");
    /// Issuers and ClusterIssuers.
    issuers: IssuerId = Queue::split("issuers", IssuerId::is_cluster);
    /// Ingresses.
    ingresses: ObjectKey = Queue::new("ingress-shim");
    /// Certificates whose renewal information is polled.
    renewals: ObjectKey = Queue::new("renewal-information");
    /// CertificateSigningRequests (GAT-01).
    signing_requests: ObjectKey = Queue::new("certificatesigningrequests");
}

impl Queues {
    /// Empties and pauses every queue.
    pub fn pause(&self) {
        struct Pause;
        impl QueueVisitor for Pause {
            fn visit<K: Key>(&mut self, queue: &Queue<K>) {
                queue.pause();
            }
        }
        self.each(&mut Pause);
    }

    /// The number of keys that wait for a worker, by the name of the queue.
    pub fn waiting(&self) -> Vec<(&'static str, usize)> {
        struct Waiting(Vec<(&'static str, usize)>);
        impl QueueVisitor for Waiting {
            fn visit<K: Key>(&mut self, queue: &Queue<K>) {
                self.0.push((queue.name(), queue.waiting()));
            }
        }
        let mut waiting = Waiting(Vec::new());
        self.each(&mut waiting);
        waiting.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_is_paused_and_counted() {
        let queues = Queues::default();
        queues.certificates.resume([ObjectKey::new("shop", "web")]);
        queues.issuers.resume([IssuerId(ObjectKey::cluster("ca"))]);
        let waiting: Vec<usize> = queues.waiting().into_iter().map(|(_, waiting)| waiting).collect();
        assert_eq!(waiting, [1, 0, 0, 1, 0, 0, 0]);
        queues.pause();
        assert!(queues.waiting().iter().all(|(_, waiting)| *waiting == 0));
        assert!(queues.certificates.is_paused() && queues.issuers.is_paused());
    }
}
