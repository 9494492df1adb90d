//! A signer that exists only in tests: a server that is asked for a certificate, gives a number, and has the certificate later under that
//! number, as Venafi does; or that never answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::{Issued, Memo, Outcome, Task, Until, Wait};

/// How long the server lets its client wait.
pub const PACE: SignedDuration = SignedDuration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub struct Scripted {
    /// The server's name.
    pub server: String,
    /// When it has the certificate; `None` if it never answers.
    pub has_it: Option<Timestamp>,
    /// How many requests it was given.
    pub requested: AtomicUsize,
    /// How often it was asked for the certificate of a number.
    pub polled: AtomicUsize,
}

impl Scripted {
    /// Where its memo is kept.
    pub const ANNOTATION: &'static str = "scripted.example.com/number";

    /// A server of this name.
    pub fn new(server: &str, has_it: Option<Timestamp>) -> Self {
        Self {
            server: server.to_owned(),
            has_it,
            ..Self::default()
        }
    }

    /// How many requests it was given, and how often it was asked for a certificate.
    pub fn calls(&self) -> (usize, usize) {
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
        })
    }
}
