//! The queues: one per controller, from the table of `controller/mod.rs`.

use std::sync::Arc;

use crate::{
    plan::{injection::TargetId, issuer::IssuerId, seen::ObjectKey},
    work::{Key, Queue},
};

/// A visitor of the queues.
pub(crate) trait QueueVisitor {
    /// Visits one queue.
    fn visit<K: Key>(&mut self, queue: &Queue<K>);
}

macro_rules! queues {
    ($($(#[$doc:meta])* $name:ident: $controller:ident { queue: $queue:ty = $made:expr, $($_entry:tt)* })*) => {
        /// One queue per controller.
        pub(crate) struct Queues {
            $($(#[$doc])* pub $name: Arc<$queue>,)*
        }

        impl Default for Queues {
            fn default() -> Self {
                Self { $($name: $made,)* }
            }
        }

        impl Queues {
            /// Visits every queue.
            pub(crate) fn each(&self, visitor: &mut impl QueueVisitor) {
                $(visitor.visit(&self.$name);)*
            }
        }
    };
}

each_controller!(queues);

impl Queues {
    /// Empties and pauses every queue.
    pub(crate) fn pause(&self) {
        struct Pause;
        impl QueueVisitor for Pause {
            fn visit<K: Key>(&mut self, queue: &Queue<K>) {
                queue.pause();
            }
        }
        self.each(&mut Pause);
    }

    /// The number of keys that wait for a worker, by the name of the queue.
    pub(crate) fn waiting(&self) -> Vec<(&'static str, usize)> {
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
        let waiting = queues.waiting().into_iter().filter(|(_, waiting)| *waiting > 0);
        assert_eq!(waiting.collect::<Vec<_>>(), [("issuers", 1), ("certificates", 1)]);
        queues.pause();
        assert!(queues.waiting().iter().all(|(_, waiting)| *waiting == 0));
        assert!(queues.certificates.is_paused() && queues.issuers.is_paused());
    }
}
