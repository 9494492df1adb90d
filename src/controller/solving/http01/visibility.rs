//! Why a challenge is not visible yet.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{Exposed, Http01, placed::PlacedKind, routes};
use crate::{
    controller::Ports,
    plan::{
        order::{
            route::{REFUSED_FOR, RouteVerdict, SILENT_FOR},
            timing,
        },
        seen::Meta,
    },
    solver::probe::Finding,
};

/// Why the challenge cannot be accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotVisible {
    /// The finding; [`crate::solver::probe::retry_after`] says when to probe again.
    pub(super) finding: Finding,
    /// A hint for the user about what routes the CA's request.
    pub(super) hint: Option<Hint>,
}

/// A hint about what routes the CA's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// About the kind of the ingress controller.
    Class(&'static str),
    /// About the HTTPRoute.
    Route(String),
}

impl fmt::Display for NotVisible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.fmt(f)?;
        match (&self.hint, &self.finding) {
            // the ingress controller's kind can be the cause only if something answers in its place
            (
                Some(Hint::Class(hint)),
                Finding::Status { .. } | Finding::Body { .. } | Finding::Elsewhere { .. } | Finding::Redirect { .. },
            ) => {
                write!(f, " ({hint})")
            }
            (Some(Hint::Route(sentence)), _) => write!(f, " ({sentence})"),
            _ => Ok(()),
        }
    }
}

/// What the HTTPRoute of a challenge is reported to be, at some time after the first check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RouteReport {
    /// Nothing yet. The report may be another at that time, without another change.
    Nothing(Option<Timestamp>),
    /// A hint for the case that the check fails.
    Hint(String),
    /// No controller has answered, as a sentence.
    Silent(String),
    /// It is refused, as a sentence.
    Refused(String),
}

impl Http01 {
    /// The report about the HTTPRoute of a challenge, whose first check was at `since`.
    pub(super) fn route_report(
        &self,
        context: &Ports,
        order: &Meta,
        challenge: &Exposed,
        since: Timestamp,
    ) -> RouteReport {
        let placed = self.placed.with_path(order, &challenge.path);
        let Some(placed) = placed.filter(|placed| matches!(placed.kind, PlacedKind::Route)) else {
            return RouteReport::Nothing(None);
        };
        let verdict = routes::verdict(context, &order.key.sibling(placed.name.as_str()), &challenge.path);
        let now = context.now();
        let due = |after: SignedDuration| Some(timing::add(since, after)).filter(|due| *due > now);
        match verdict {
            None | Some(RouteVerdict::Accepted(None)) => RouteReport::Nothing(None),
            Some(RouteVerdict::Accepted(Some(hint))) => RouteReport::Hint(hint),
            Some(RouteVerdict::Silent(sentence)) => match due(SILENT_FOR) {
                None => RouteReport::Silent(sentence),
                later => RouteReport::Nothing(later),
            },
            Some(RouteVerdict::Refused(sentence)) => match due(REFUSED_FOR) {
                None => RouteReport::Refused(sentence),
                later => RouteReport::Nothing(later),
            },
        }
    }

    /// Waits until the HTTPRoute of a challenge is reported as refused, or not answered for. For a challenge without one, forever.
    pub(super) async fn refused(&self, context: &Ports, order: &Meta, challenge: &Exposed, since: Timestamp) -> String {
        let changes = self.route_waits.of(&order.key);
        loop {
            // before the look, so that no change is missed in between
            let next = changes.notified();
            let wait = match self.route_report(context, order, challenge, since) {
                RouteReport::Silent(sentence) | RouteReport::Refused(sentence) => return sentence,
                RouteReport::Nothing(at) => at.map(|at| at.duration_since(context.now())),
                RouteReport::Hint(_) => None,
            };
            match wait {
                Some(wait) => {
                    let wait = tokio::time::sleep(wait.unsigned_abs());
                    tokio::select! {
                        () = next => {}
                        () = wait => {}
                    }
                }
                None => next.await,
            }
        }
    }
}
