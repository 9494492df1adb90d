//! The presented proofs of an Order, in batches, and why others could not be presented.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    memory::Memory,
    progress::{Location, Probe},
    proof::Batch,
    timing,
};

/// The state of a batch of proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    /// The proofs that are presented.
    pub presented: Option<Presented>,
    /// Why the last attempt to present failed, until one succeeds.
    pub obstacle: Option<Obstacle>,
}

/// Proofs that are presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// URLs of their authorizations.
    pub authorizations: BTreeSet<String>,
    /// When they were presented last.
    pub since: Timestamp,
    /// How often the same proofs were presented again.
    pub repeated: u32,
    /// Whether something has changed since on which it depends whether the CA sees them.
    pub is_doubtful: bool,
}

/// Why proofs could not be presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Why, as a sentence.
    pub reason: String,
    /// The time of the next attempt.
    pub again: Timestamp,
    /// Failures in a row.
    pub failures: u32,
}

/// The answer of a solver that has not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// Why, as a sentence.
    pub reason: String,
    /// Not to be called again before this time.
    pub again: Timestamp,
}

impl Memory {
    /// Whether the proof of this authorization is presented.
    pub fn is_presented(&self, batch: &Batch, authorization: &str) -> bool {
        self.presented(batch)
            .is_some_and(|presented| presented.authorizations.contains(authorization))
    }

    /// The presented proofs of this batch.
    pub fn presented(&self, batch: &Batch) -> Option<&Presented> {
        self.presentations.get(batch)?.presented.as_ref()
    }

    /// Why the last attempt to present this batch failed.
    pub fn obstacle(&self, batch: &Batch) -> Option<&Obstacle> {
        self.presentations.get(batch)?.obstacle.as_ref()
    }

    /// Records that the proofs of `authorizations`, and no others of this batch, are presented.
    pub fn present(&mut self, now: Timestamp, batch: Batch, authorizations: impl IntoIterator<Item = String>) {
        self.withdrawn = self.withdrawn && batch != Batch::Order;
        let authorizations = authorizations.into_iter().collect();
        let before = self
            .presented(&batch)
            .filter(|before| before.authorizations == authorizations);
        let presented = Presented {
            repeated: before.map_or(0, |before| before.repeated.saturating_add(1)),
            authorizations,
            since: now,
            is_doubtful: false,
        };
        let presentation = Presentation {
            presented: Some(presented),
            obstacle: None,
        };
        self.presentations.insert(batch, presentation);
    }

    /// Records that this batch could not be presented. Earlier proofs of it stay.
    pub fn not_presented(&mut self, now: Timestamp, batch: Batch, NotYet { reason, again }: NotYet) {
        let presentation = self.presentations.entry(batch).or_default();
        let failures = presentation
            .obstacle
            .as_ref()
            .map_or(0, |obstacle| obstacle.failures.saturating_add(1));
        presentation.obstacle = Some(Obstacle {
            reason,
            again: timing::add(now, timing::present_again(failures)).max(again),
            failures,
        });
    }

    /// Records that nothing of this batch is presented any more.
    pub fn withdrew(&mut self, batch: &Batch) {
        self.presentations.remove(batch);
        match batch {
            Batch::Order => self.withdrawn = true,
            // if it is presented again, it is probed again
            Batch::Authorization(url) => {
                if let Some(progress) = self.proofs.get_mut(url) {
                    progress.probe = Probe::Idle;
                }
            }
        }
    }

    /// The proof is being located.
    pub fn locating(&mut self, url: &str) {
        self.proofs.entry(url.to_owned()).or_default().location = Location::Locating;
    }

    /// The proof was located: its record, or why it could not be.
    pub fn located(&mut self, now: Timestamp, url: &str, outcome: Result<String, NotYet>) {
        let location = match outcome {
            Ok(record) => {
                let batch = Batch::Authorization(url.to_owned());
                if let Some(presentation) = self.presentations.get_mut(&batch) {
                    presentation.obstacle = None;
                }
                Location::Found(record)
            }
            Err(not_yet) => {
                self.not_presented(now, Batch::Authorization(url.to_owned()), not_yet);
                Location::Moved
            }
        };
        self.proofs.entry(url.to_owned()).or_default().location = location;
    }

    /// The proof has to be written elsewhere: it is located again.
    pub fn moved(&mut self, url: &str) {
        let proof = self.proofs.entry(url.to_owned()).or_default();
        proof.location = Location::Moved;
        proof.probe = Probe::Idle;
        proof.probing_since = None;
    }

    /// Something has changed on which it depends whether the CA sees the proofs: failed probes are repeated now, and so are failed
    /// attempts to present what is in the cluster. What is presented is verified soon.
    pub fn reconsider(&mut self, now: Timestamp) {
        for proof in self.proofs.values_mut() {
            if let Probe::Failed { again } = &mut proof.probe {
                *again = now.min(*again);
            }
        }
        if let Some(Presentation { presented, obstacle }) = self.presentations.get_mut(&Batch::Order) {
            if let Some(obstacle) = obstacle {
                obstacle.again = now.min(obstacle.again);
            }
            if let Some(presented) = presented {
                presented.is_doubtful = true;
            }
        }
    }
}
