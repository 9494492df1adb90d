//! What is remembered about an Order between two looks at it. All of it may be lost at any time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    ca::{AuthorizationAtCa, OrderAtCa},
    fault::{Doing, Fault, Verdict},
    proof::Batch,
    timing,
};
use crate::api::order::State;
use crate::text::short_line;

/// The longest reason in characters: a refusal with a few parts, each with the CA's words.
const LONGEST_SENTENCE: usize = 4000;

/// How many bytes of authorizations are kept of one Order: for the first of them, for each, and in all (no API server stores
/// more in one object).
const MIN_KEPT: usize = 64 << 10;
const MAX_KEPT_PER_AUTHORIZATION: usize = 2 << 10;
const MAX_KEPT: usize = 3 << 19;

/// The CA's side of an order as it was last answered, and how far the proofs are.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The ACME order.
    pub order: Option<OrderAtCa>,
    /// Its authorizations by URL.
    pub authorizations: BTreeMap<String, AuthorizationAtCa>,
    /// How far each authorization is proved, by its URL.
    pub proofs: BTreeMap<String, Progress>,
    /// What was presented, and what could not be, by batch: one that fails does not disturb another.
    pub presentations: BTreeMap<Batch, Presentation>,
    /// Names of Challenges that strangers have.
    pub taken: BTreeSet<String>,
    /// Whether everything that was placed in the cluster is withdrawn.
    pub withdrawn: bool,
    /// The certificate chain, before it is written down.
    pub chain: Option<Vec<u8>>,
    /// When the signing request was sent.
    pub finalized: Option<Timestamp>,
    /// How often the order was looked at while the CA worked on the certificate.
    pub looks: u32,
    /// The last failure, until a call succeeds.
    pub trouble: Option<Trouble>,
    /// Failures in a row.
    pub failures: u32,
    /// How often everything was read again because of the same call. Reading succeeds each time, and says nothing about that call.
    pub surprises: Option<(Doing, u32)>,
}

/// What became of presenting a batch of proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    /// The proofs that are available.
    pub presented: Option<Presented>,
    /// Why the last attempt to present failed, until one succeeds.
    pub obstacle: Option<Obstacle>,
}

/// Proofs that are available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// URLs of their authorizations.
    pub authorizations: BTreeSet<String>,
    /// When they were presented last.
    pub since: Timestamp,
    /// How often these same proofs were presented again.
    pub repeated: u32,
}

/// Why proofs could not be presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Why, as a sentence.
    pub reason: String,
    /// When to try again.
    pub again: Timestamp,
    /// Failures in a row.
    pub failures: u32,
}

/// The answer of a solver that has not done yet what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// Why, as a sentence.
    pub reason: String,
    /// Not to be asked again before this time.
    pub again: Timestamp,
}

/// How far the proof of one name is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Where the proof is written, if it is outside the cluster.
    pub location: Location,
    /// The probe's last word.
    pub probe: Probe,
    /// When probing began.
    pub probing_since: Option<Timestamp>,
    /// What was found last, until it passes.
    pub finding: Option<String>,
    /// When the CA was told.
    pub accepted: Option<Timestamp>,
    /// Whether it was this process that told the CA, or tried to: it has been there to answer ever since.
    pub told_here: bool,
    /// How often the authorization was looked at since then.
    pub looks: u32,
    /// When to look at it next; `None` is at once.
    pub look_at: Option<Timestamp>,
}

/// Where a proof outside the cluster is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// Not located by this process: what the Challenge names holds.
    #[default]
    Unknown,
    /// What the Challenge names does not hold any more, for example because a CNAME leads elsewhere now.
    Moved,
    /// It is being located.
    Locating,
    /// Its record, as the Challenge has to name it.
    Found(String),
}

/// What the probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Not asked yet.
    #[default]
    Idle,
    /// Asked, no answer yet.
    Running,
    /// As the CA will want it.
    Passed,
    /// Not yet.
    Failed {
        /// When to ask again.
        again: Timestamp,
    },
}

/// A call to the CA that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What was tried, and what came of it.
    pub sentence: String,
    /// What follows.
    pub verdict: Verdict,
    /// Nothing is asked of the CA before this.
    pub until: Timestamp,
}

impl Memory {
    /// A call succeeded. What another call of the same moment ran into stays.
    pub fn succeeded(&mut self, now: Timestamp) {
        let stays = self.trouble.as_ref().is_some_and(|trouble| match trouble.verdict {
            Verdict::Wait(_) | Verdict::Retry | Verdict::Reread => trouble.until > now,
            Verdict::Gone | Verdict::Final(_) => true,
        });
        if !stays {
            self.trouble = None;
            self.failures = 0;
        }
    }

    /// What had to be read again for this call is no surprise any more: it succeeded.
    pub fn mastered(&mut self, doing: Doing) {
        if self.surprises.is_some_and(|(surprising, _)| surprising == doing) {
            self.surprises = None;
        }
    }

    /// A call failed.
    pub fn failed(&mut self, now: Timestamp, fault: &Fault) {
        let surprises = self
            .surprises
            .filter(|(doing, _)| *doing == fault.doing)
            .map_or(0, |(_, times)| times);
        let failures = self.failures.max(surprises);
        let verdict = fault.verdict(failures);
        let until = match verdict {
            Verdict::Wait(until) => until,
            Verdict::Retry | Verdict::Reread => timing::add(now, timing::retry(failures)),
            Verdict::Gone | Verdict::Final(_) => now,
        };
        if verdict == Verdict::Reread {
            self.surprises = Some((fault.doing, surprises.saturating_add(1)));
            self.order = None;
            self.authorizations.clear();
        }
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(Trouble {
            sentence: short_line(&fault.to_string(), LONGEST_SENTENCE),
            verdict,
            until,
        });
    }

    /// The API server finds the Order's status invalid, and would again: the Order ends.
    pub fn could_not_be_written(&mut self, now: Timestamp, sentence: String) {
        self.order = None;
        self.authorizations.clear();
        self.trouble = Some(Trouble {
            sentence,
            verdict: Verdict::Final(State::Errored),
            until: now,
        });
    }

    /// The Order is finished, and what it needed is written down: only that nothing is placed any more is remembered.
    pub fn settle(&mut self) {
        *self = Self {
            withdrawn: self.withdrawn,
            ..Self::default()
        };
    }

    /// Keeps what `order` says; authorizations that it does not name are forgotten.
    pub fn saw_order(&mut self, order: OrderAtCa) {
        self.succeeded(order.answered);
        self.mastered(Doing::ReadOrder);
        self.mastered(Doing::CreateOrder);
        self.authorizations.retain(|url, _| order.authorizations.contains(url));
        self.proofs.retain(|url, _| order.authorizations.contains(url));
        self.looks = match &self.order {
            Some(before) if before.state == order.state => self.looks.saturating_add(1),
            Some(_) | None => 0,
        };
        self.order = Some(order);
    }

    /// Keeps what `authorization` says.
    pub fn saw_authorization(&mut self, url: &str, authorization: AuthorizationAtCa) {
        self.succeeded(authorization.answered);
        let proof = self.proofs.entry(url.to_owned()).or_default();
        if proof.accepted.is_none() && authorization.challenges.iter().any(|challenge| challenge.processing) {
            // the CA was told before this process started
            proof.accepted = Some(authorization.answered);
        }
        if proof.accepted.is_some() {
            proof.look_at = Some(timing::poll(
                authorization.answered,
                authorization.retry_at,
                proof.looks.max(1),
            ));
            proof.looks = proof.looks.saturating_add(1);
        }
        self.authorizations.insert(url.to_owned(), authorization);
        let of_order = self.order.iter().flat_map(|order| order.authorizations.iter());
        if of_order.into_iter().all(|url| self.authorizations.contains_key(url)) {
            self.mastered(Doing::ReadAuthorization);
        }
    }

    /// Whether what is kept of the authorizations is of a size that makes sense for their number, and that an Order can hold.
    pub fn is_of_bounded_size(&self) -> bool {
        let allowed = MAX_KEPT_PER_AUTHORIZATION.saturating_mul(self.authorizations.len());
        let allowed = MIN_KEPT.saturating_add(allowed).min(MAX_KEPT);
        self.authorizations.values().map(AuthorizationAtCa::size).sum::<usize>() <= allowed
    }

    /// Whether the proof of this authorization is available.
    pub fn is_presented(&self, batch: &Batch, authorization: &str) -> bool {
        self.presented(batch)
            .is_some_and(|presented| presented.authorizations.contains(authorization))
    }

    /// What is available of this batch.
    pub fn presented(&self, batch: &Batch) -> Option<&Presented> {
        self.presentations.get(batch)?.presented.as_ref()
    }

    /// Why the last attempt to present this batch failed.
    pub fn obstacle(&self, batch: &Batch) -> Option<&Obstacle> {
        self.presentations.get(batch)?.obstacle.as_ref()
    }

    /// The proofs of `authorizations`, and no others of this batch, are available.
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
        };
        let presentation = Presentation {
            presented: Some(presented),
            obstacle: None,
        };
        self.presentations.insert(batch, presentation);
    }

    /// This batch could not be presented. What was presented of it before stays.
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

    /// Nothing of this batch is available any more.
    pub fn withdrew(&mut self, batch: &Batch) {
        self.presentations.remove(batch);
        match batch {
            Batch::Order => self.withdrawn = true,
            // if it is presented again, it is checked again
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

    /// The probe began.
    pub fn probing(&mut self, now: Timestamp, url: &str) {
        let proof = self.proofs.entry(url.to_owned()).or_default();
        proof.probe = Probe::Running;
        proof.probing_since.get_or_insert(now);
    }

    /// The probe ended: with what is in the way, and when to ask again.
    pub fn probed(&mut self, url: &str, outcome: Result<(), NotYet>) {
        let Some(proof) = self.proofs.get_mut(url) else { return };
        (proof.probe, proof.finding) = match outcome {
            Ok(()) => (Probe::Passed, None),
            Err(NotYet { reason, again }) => (Probe::Failed { again }, Some(reason)),
        };
    }

    /// The CA is about to be told, whatever comes of it.
    pub fn telling(&mut self, url: &str) {
        self.proofs.entry(url.to_owned()).or_default().told_here = true;
    }

    /// Whether the CA looked for these proofs while this process did not answer for them: nothing else but authorizations that
    /// failed for want of an answer, and that another process had told the CA of (one that was killed, or a former leader).
    pub fn was_away(&self) -> bool {
        let mut lost = self.authorizations.iter().filter(|(_, one)| one.is_lost()).peekable();
        let told_here = |url: &String| self.proofs.get(url).is_some_and(|proof| proof.told_here);
        lost.peek().is_some() && lost.all(|(url, one)| one.is_unanswered() && !told_here(url))
    }

    /// The CA was told to validate.
    pub fn accepted(&mut self, now: Timestamp, url: &str) {
        self.succeeded(now);
        self.mastered(Doing::Accept);
        let proof = self.proofs.entry(url.to_owned()).or_default();
        proof.accepted = Some(now);
        proof.looks = 0;
        proof.look_at = Some(timing::add(now, timing::FIRST_LOOK));
    }

    /// The CA's request was answered: what it made of it is known in a moment, unless it was asked since.
    pub fn validated(&mut self, now: Timestamp, url: &str) {
        if let Some(proof) = self
            .proofs
            .get_mut(url)
            .filter(|proof| proof.accepted.is_some() && proof.looks == 0)
        {
            proof.look_at = Some(now);
        }
    }

    /// The chain is here.
    pub fn downloaded(&mut self, now: Timestamp, chain: Vec<u8>) {
        self.succeeded(now);
        self.chain = Some(chain);
    }

    /// The state in which an Order ends by the last failure, if it ends.
    pub fn ends(&self) -> Option<(State, &str)> {
        match &self.trouble {
            Some(Trouble {
                sentence,
                verdict: Verdict::Final(state),
                ..
            }) => Some((*state, sentence)),
            Some(_) | None => None,
        }
    }
}
