//! Work that occupies a processor for milliseconds or longer: on threads of its own, a limited number at a time.

use std::sync::OnceLock;

use tokio::{sync::Semaphore, task::JoinError};

/// Work of milliseconds, for example a signature with an RSA key.
pub(crate) static SHORT: Threads = Threads::new(processors);
/// Work of seconds, for example the generation of an RSA key. It does not delay short work.
pub(crate) static LONG: Threads = Threads::new(processors);

/// Threads for one sort of work. Static, because the processors belong to the process.
pub(crate) struct Threads {
    most: fn() -> usize,
    places: OnceLock<Semaphore>,
}

/// Why work on another thread has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Interrupted {
    /// The process is shutting down.
    #[error("the process is shutting down")]
    Ending,
    /// It panicked.
    #[error("it panicked; this is a bug")]
    Panicked,
}

impl Threads {
    /// As many threads as `most` returns.
    pub(crate) const fn new(most: fn() -> usize) -> Self {
        Self {
            most,
            places: OnceLock::new(),
        }
    }

    /// Runs `work` on one of these threads.
    ///
    /// # Errors
    /// If it panicked, or the process is shutting down.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Interrupted> {
        let places = self.places.get_or_init(|| Semaphore::new((self.most)()));
        let place = places.acquire().await.map_err(|_| Interrupted::Ending)?;
        let done = tokio::task::spawn_blocking(work).await;
        drop(place);
        done.map_err(Interrupted::from)
    }

    /// Runs `work` on one of these threads if it is `slow`. Otherwise here: a thread costs more than work of microseconds.
    ///
    /// # Errors
    /// If it was run on a thread, and panicked, or the process is shutting down.
    pub(crate) async fn run_if<T: Send + 'static>(
        &self,
        slow: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Interrupted> {
        if slow { self.run(work).await } else { Ok(work()) }
    }
}

impl From<JoinError> for Interrupted {
    fn from(error: JoinError) -> Self {
        if error.is_panic() { Self::Panicked } else { Self::Ending }
    }
}

/// The number of processors.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn no_more_runs_at_a_time_than_there_are_threads() {
        static TWO: Threads = Threads::new(|| 2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            TWO.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let done = futures::future::join_all((0..20).map(|_| work())).await;
        assert!(done.iter().all(Result::is_ok));
        assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    }

    #[tokio::test]
    async fn fast_work_runs_on_the_thread_of_the_caller_and_slow_work_on_another() {
        let here = thread::current().id();
        let threads = Threads::new(|| 1);
        let ran = async |slow| threads.run_if(slow, || thread::current().id()).await;
        assert_eq!(ran(false).await, Ok(here));
        assert_ne!(ran(true).await, Ok(here));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_thread() {
        let threads = Threads::new(|| 1);
        let panicked = threads.run(|| assert_eq!(1, 2)).await;
        assert_eq!(panicked, Err(Interrupted::Panicked));
        assert_eq!(threads.run(|| 3).await, Ok(3));
    }
}
