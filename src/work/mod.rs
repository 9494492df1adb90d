//! Work that is queued by key: the queue with its workers, lanes for those that wait for a server, terms of leadership. Generic: it
//! knows neither what a key names nor what the work is.

mod failure;
mod lanes;
mod queue;
mod terms;

pub use failure::{Failure, Retry};
pub use lanes::Call;
pub use queue::{Again, Counts, Key, Queue};
pub use terms::{Term, Terms};
