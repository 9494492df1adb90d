//! Work queues: a queue of keys with its workers, lanes for workers that wait for a server, terms of leadership, threads for what
//! occupies a processor. Generic over the key and the reconcile function.

mod failure;
mod lanes;
mod queue;
mod terms;
mod threads;

pub use failure::{Failure, Retry};
pub use lanes::Call;
pub use queue::{Again, Counts, Key, Queue};
pub use terms::{Term, Terms};
pub use threads::{Interrupted, LONG, SHORT, Threads};
