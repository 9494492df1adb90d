//! The progress of one proof, as part of what is remembered about an Order.

use jiff::Timestamp;

use super::{ca::ChallengeAtCa, timing};

/// The progress of the proof of one authorization.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Where the proof is written, if it is outside the cluster.
    pub location: Location,
    /// The last result of the probe.
    pub probe: Probe,
    /// When probing began.
    pub probing_since: Option<Timestamp>,
    /// The last finding, until the probe succeeds.
    pub finding: Option<String>,
    /// Whether the finding is a report of what routes the CA's request, which is not a matter of patience.
    pub is_reported: bool,
    /// When the challenge was accepted.
    pub accepted: Option<Timestamp>,
    /// Whether this process accepted the challenge, or tried to. Then its responder has been running ever since.
    pub accepted_here: bool,
    /// How often the authorization was polled since then.
    pub polls: u32,
    /// When to poll it next; `None` is at once.
    pub poll_at: Option<Timestamp>,
    /// The last finding of the CA, if its validation failed and the authorization is not decided.
    pub ca_finding: Option<String>,
    /// How often the CA left the challenge to be accepted again.
    pub failed_validations: u32,
    /// Not to be accepted again before this time.
    pub accept_again: Option<Timestamp>,
    /// The end of the record that proves it, and the record, if it has an end.
    pub end: Option<(Timestamp, String)>,
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

impl Progress {
    /// Records that the CA's validation failed, and did not decide the authorization.
    pub(super) fn validation_failed(&mut self, now: Timestamp, challenge: &ChallengeAtCa) {
        let error = challenge.error.as_deref().unwrap_or_default();
        self.ca_finding = Some(format!("the CA's validation failed: {error}"));
        self.probing_since.get_or_insert(now);
        if !challenge.processing {
            // the CA does not validate again before the challenge is accepted again
            self.failed_validations = self.failed_validations.saturating_add(1);
            self.accept_again = Some(timing::add(now, timing::retry(self.failed_validations)));
            self.accepted = None;
            self.probe = Probe::Idle;
        }
    }
}

/// The state of the probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Not started.
    #[default]
    Idle,
    /// Running.
    Running,
    /// The CA would see the proof.
    Passed,
    /// The CA would not see the proof.
    Failed {
        /// When to probe again.
        again: Timestamp,
    },
}
