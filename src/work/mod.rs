//! Work queues: a queue of keys with its workers, lanes for workers that wait for a server, terms of leadership, threads for what
//! occupies a processor. Generic over the key and the reconcile function.

mod failure;
mod lanes;
mod queue;
mod terms;
mod threads;

pub(crate) use failure::{Failure, Retry};
pub(crate) use lanes::Call;
pub(crate) use queue::{Counts, Key, Queue};
pub(crate) use terms::Terms;
pub(crate) use threads::{Interrupted, LONG, SHORT, Threads};
