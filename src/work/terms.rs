//! Terms of leadership, and whether all objects were reconciled in the current term.

use std::sync::atomic::{AtomicU64, Ordering};

use super::queue::{Key, Queue};

/// The current term. A term begins when this process becomes the leader, and ends with its leadership or with the next beginning.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Odd during a term; incremented at each beginning and end.
    now: AtomicU64,
    /// The last term in which all objects were reconciled.
    reconciled: AtomicU64,
}

/// A term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term(u64);

impl Terms {
    /// Begins a term.
    pub(crate) fn begin(&self) -> Term {
        let before = self.now.load(Ordering::Acquire);
        let now = before + 1 + before % 2;
        self.now.store(now, Ordering::Release);
        Term(now)
    }

    /// Ends the current term, if there is one.
    pub(crate) fn end(&self) {
        let before = self.now.load(Ordering::Acquire);
        self.now.store(before + before % 2, Ordering::Release);
    }

    /// Whether all objects were reconciled in the current term.
    pub(crate) fn is_reconciled(&self) -> bool {
        let now = self.now.load(Ordering::Acquire);
        now % 2 == 1 && self.reconciled.load(Ordering::Acquire) == now
    }

    /// Waits until all keys that were in `queue` at the beginning of `term` have been reconciled. If the term ends meanwhile,
    /// this has no effect.
    pub(crate) async fn until_reconciled<K: Key>(&self, term: Term, queue: &Queue<K>) {
        queue.until_idle().await;
        if !queue.is_paused() {
            self.reconciled.fetch_max(term.0, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn everything_is_reconciled_again_in_each_term() {
        let terms = Terms::default();
        assert!(!terms.is_reconciled());
        let queue: Arc<Queue<u32>> = Queue::new("certificates");
        queue.resume([]);
        let first = terms.begin();
        terms.until_reconciled(first, &queue).await;
        assert!(terms.is_reconciled());
        terms.end();
        assert!(!terms.is_reconciled(), "this process leads no more");
        let second = terms.begin();
        assert!(!terms.is_reconciled(), "nothing has been reconciled in the second term");
        // a task of the first term that was late
        terms.until_reconciled(first, &queue).await;
        assert!(!terms.is_reconciled());
        let third = terms.begin();
        terms.until_reconciled(second, &queue).await;
        assert!(
            !terms.is_reconciled(),
            "the third term began without an end of the second"
        );
        terms.until_reconciled(third, &queue).await;
        assert!(terms.is_reconciled());
    }

    #[tokio::test]
    async fn what_a_paused_queue_forgets_does_not_count() {
        let terms = Arc::new(Terms::default());
        let queue: Arc<Queue<u32>> = Queue::new("certificates");
        let term = terms.begin();
        // nobody works on it
        queue.resume([1]);
        let waiting = tokio::spawn({
            let (terms, queue) = (Arc::clone(&terms), Arc::clone(&queue));
            async move { terms.until_reconciled(term, &queue).await }
        });
        tokio::task::yield_now().await;
        queue.pause();
        waiting.await.unwrap();
        assert!(!terms.is_reconciled());
    }
}
