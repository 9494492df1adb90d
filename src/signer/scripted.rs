//! A signer for tests: a server that returns a pick-up id and provides the certificate later under that id, as Venafi does; or
//! that never answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{Issued, Memo, Outcome, Task, Until, Wait};

/// The interval between polls.
pub(crate) const PACE: SignedDuration = SignedDuration::from_secs(10);

/// A scripted server.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    /// The server's name.
    pub server: String,
    /// When the certificate is available; `None` if the server never answers.
    pub has_it: Option<Timestamp>,
    /// Number of requests received.
    pub requested: AtomicUsize,
    /// Number of polls.
    pub polled: AtomicUsize,
}

impl Scripted {
    /// The annotation for its memo.
    pub(crate) const ANNOTATION: &'static str = "scripted.example.com/number";

    /// A server with this name.
    pub(crate) fn new(server: &str, has_it: Option<Timestamp>) -> Self {
        Self {
            server: server.to_owned(),
            has_it,
            ..Self::default()
        }
    }

    /// The numbers of requests and polls.
    pub(crate) fn calls(&self) -> (usize, usize) {
        (
            self.requested.load(Ordering::Relaxed),
            self.polled.load(Ordering::Relaxed),
        )
    }

    pub(super) async fn sign(&self, task: &Task, now: Timestamp) -> Outcome {
        match &task.memo {
            None => self.requested.fetch_add(1, Ordering::Relaxed),
            Some(_) => self.polled.fetch_add(1, Ordering::Relaxed),
        };
        let Some(has_it) = self.has_it else {
            return std::future::pending().await;
        };
        if task.memo.is_some() && now >= has_it {
            return Outcome::Issued(Issued {
                certificate: b"the certificate".to_vec(),
                ca: b"the CA".to_vec(),
                warnings: Vec::new(),
            });
        }
        Outcome::Wait(Wait {
            reason: "IssuancePending",
            message: "the server has no certificate yet".to_owned(),
            until: Until::At(now + PACE),
            memo: task.memo.clone().or_else(|| Memo::new("number 1")),
            outage: None,
        })
    }
}
