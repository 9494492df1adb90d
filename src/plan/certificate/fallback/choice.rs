//! Which issuer is asked for the next certificate: the one of the spec, or a fallback issuer while that one has an outage.

use jiff::{SignedDuration, Timestamp};

use super::FallbackPolicy;
use crate::{
    api::condition::whole_second,
    net::OutageKind,
    plan::{order::timing::add, outage::Availability},
};

/// Minimum length of an outage before another issuer is asked, however little time is left.
const SHORTEST: SignedDuration = SignedDuration::from_secs(10);
/// Maximum length of the outage of a fallback issuer before the next one is asked.
const NEXT_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Length of the outage of the last fallback issuer before the issuer of the spec is asked again.
const BACK_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Delay before it is checked again whether a fallback issuer is Ready.
const RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// The issuer that was asked for the next certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan::certificate) enum Asked {
    /// None yet.
    Nothing,
    /// The one of the spec.
    Primary {
        /// Whether it has issued.
        issued: bool,
    },
    /// A fallback issuer.
    Fallback {
        /// Its place in the policy.
        place: usize,
        /// Whether it has issued.
        issued: bool,
        /// When it was asked.
        since: Timestamp,
    },
}

/// The inputs of a choice.
#[derive(Clone, Copy, Debug)]
pub(in crate::plan::certificate) struct Situation<'a> {
    /// The policy.
    pub(super) policy: &'a FallbackPolicy,
    /// Whether each issuer of the policy is Ready.
    pub(super) ready: &'a [bool],
    /// Which issuer was asked.
    pub(super) asked: Asked,
    /// The availability of its server.
    pub(super) server: Availability,
    /// Since when the issuer of the spec is unavailable, from the status.
    pub(super) unavailable_since: Option<Timestamp>,
    /// Expiry of the certificate in the Secret.
    pub(super) not_after: Option<Timestamp>,
}

/// The issuer to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan::certificate) struct Choice {
    /// The place of a fallback issuer in the policy; `None` for the issuer of the spec.
    pub(in crate::plan::certificate) fallback: Option<usize>,
    /// What to report of the issuer of the spec.
    pub(super) report: Report,
    /// When to choose again without a change.
    pub(in crate::plan::certificate) at: Option<Timestamp>,
}

/// What the status reports of the issuer of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan::certificate) enum Report {
    /// The same as before, because nothing new is known.
    Unchanged,
    /// No outage.
    Nothing,
    /// An outage.
    Outage {
        /// Its kind.
        kind: OutageKind,
        /// When it began.
        since: Timestamp,
        /// The fallback issuer that is asked next, and when.
        next: Option<(usize, Timestamp)>,
    },
}

impl Default for Choice {
    fn default() -> Self {
        Self::primary(Report::Nothing)
    }
}

impl Choice {
    /// The issuer of the spec.
    pub(super) fn primary(report: Report) -> Self {
        Self {
            fallback: None,
            report,
            at: None,
        }
    }

    fn fallback(place: usize) -> Self {
        Self {
            fallback: Some(place),
            report: Report::Unchanged,
            at: None,
        }
    }

    fn at(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// Chooses the issuer. An issuer that has issued stays chosen; a fallback issuer stays chosen until it has an outage itself.
pub(super) fn choose(now: Timestamp, situation: &Situation<'_>) -> Choice {
    match situation.asked {
        Asked::Primary { issued: true } => Choice::primary(Report::Unchanged),
        Asked::Primary { issued: false } | Asked::Nothing => while_primary(now, situation),
        Asked::Fallback {
            place, issued: true, ..
        } => Choice::fallback(place),
        Asked::Fallback {
            place,
            issued: false,
            since,
        } => while_fallback(now, situation, place, since),
    }
}

fn while_primary(now: Timestamp, situation: &Situation<'_>) -> Choice {
    let outage = match situation.server {
        Availability::Unknown => return Choice::primary(Report::Unchanged),
        Availability::Available => return Choice::primary(Report::Nothing),
        Availability::Unavailable(outage) => outage,
    };
    let began = whole_second(outage.since).0;
    let since = situation.unavailable_since.map_or(began, |known| known.min(began));
    let due = add(since, situation.patience(since));
    let next = situation.ready_from(0);
    let report = Report::Outage {
        kind: outage.kind,
        since,
        next: next.map(|place| (place, due)),
    };
    match next {
        Some(place) if due <= now => Choice {
            report,
            ..Choice::fallback(place)
        },
        Some(_) => Choice::primary(report).at(due),
        None => Choice::primary(report).at(due.max(add(now, RECHECK))),
    }
}

fn while_fallback(now: Timestamp, situation: &Situation<'_>, place: usize, asked: Timestamp) -> Choice {
    let is_ready = situation.ready.get(place).copied().unwrap_or(false);
    let since = match situation.server.outage() {
        Some(outage) => outage.since.max(asked),
        None if !is_ready => asked,
        None => return Choice::fallback(place),
    };
    let next = situation.ready_from(place.saturating_add(1));
    let due = match next {
        Some(_) => add(since, situation.patience(since).min(NEXT_AFTER)),
        None => add(since, BACK_AFTER),
    };
    match next {
        _ if now < due => Choice::fallback(place).at(due),
        Some(next) => Choice::fallback(next),
        None => Choice::primary(Report::Unchanged),
    }
}

impl Situation<'_> {
    /// How long an outage that began at `since` is waited for: at most half of the time that was left then.
    fn patience(&self, since: Timestamp) -> SignedDuration {
        let half = self.not_after.map(|not_after| since.duration_until(not_after) / 2);
        let after = self.policy.after;
        half.map_or(after, |half| half.min(after)).max(SHORTEST)
    }

    /// The first issuer from this place on that is Ready.
    fn ready_from(&self, place: usize) -> Option<usize> {
        (place..self.policy.issuers.len()).find(|place| self.ready.get(*place) == Some(&true))
    }
}
