//! What is known of the server of an issuer: since when calls have failed, and the last verdict about the issuer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::fault::{Fault, FaultKind, again};

/// How long a verdict about an issuer that can sign is used.
const CHECKED: SignedDuration = SignedDuration::from_mins(10);
/// Minimum age of a verdict that a failed request makes void.
const DOUBTED: SignedDuration = SignedDuration::from_secs(5);

/// The result of a check, and the time of the next one.
pub(crate) type Checked = (Result<(), Fault>, Timestamp);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Standing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since when calls have failed.
    failing: Option<Timestamp>,
    /// The last verdict, when it was reached, and until when it is used.
    verdict: Option<(Result<(), Fault>, Timestamp, Timestamp)>,
}

impl Standing {
    /// The verdict that is still in use, and when it ends.
    pub(super) fn known(&self, now: Timestamp) -> Option<Checked> {
        let state = self.lock();
        let (verdict, _, until) = state.verdict.as_ref().filter(|(_, _, until)| *until > now)?;
        Some((verdict.clone(), *until))
    }

    /// Remembers the verdict of a check at `now`.
    pub(super) fn checked(&self, verdict: Result<(), Fault>, now: Timestamp) -> Checked {
        let mut state = self.lock();
        let until = match &verdict {
            Ok(()) => {
                state.failing = None;
                now.saturating_add(CHECKED).unwrap_or(Timestamp::MAX)
            }
            Err(fault) => again(now, *state.failing.get_or_insert(now), fault.kind),
        };
        state.verdict = Some((verdict.clone(), now, until));
        (verdict, until)
    }

    /// A request was answered, even if it was refused.
    pub(super) fn answered(&self) {
        self.lock().failing = None;
    }

    /// Remembers a failed request, and returns when to repeat it. A verdict that contradicts it is void.
    pub(super) fn failed(&self, fault: &Fault, now: Timestamp) -> Timestamp {
        let mut state = self.lock();
        let visible = matches!(fault.kind, FaultKind::Denied | FaultKind::Unavailable);
        let old = |at: Timestamp| now.duration_since(at) > DOUBTED;
        if let (true, Some((Ok(()), at, _))) = (visible, &state.verdict)
            && old(*at)
        {
            state.verdict = None;
        }
        again(now, *state.failing.get_or_insert(now), fault.kind)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_makes_an_older_verdict_void_and_an_answer_ends_the_ladder() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let standing = Standing::default();
        let denied = Fault {
            kind: FaultKind::Denied,
            sentence: "no".to_owned(),
        };
        assert_eq!(standing.checked(Ok(()), at(0)), (Ok(()), at(600)));
        assert_eq!(standing.failed(&denied, at(1)), at(6));
        assert!(standing.known(at(1)).is_some(), "the verdict is new");
        assert_eq!(standing.failed(&denied, at(21)), at(31));
        assert_eq!(standing.known(at(21)), None);
        standing.answered();
        assert_eq!(standing.failed(&denied, at(21)), at(26));
        assert_eq!(standing.checked(Err(denied), at(21)).1, at(26));
    }
}
