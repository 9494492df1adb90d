//! From findings to a verdict, and when to look again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::finding::Finding;

/// Everything that was found about one challenge in one round.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Every advertised responder address, asked directly. Empty in pod mode.
    pub responders: Vec<(SocketAddr, Finding)>,
    /// What the public name gave.
    pub public: Finding,
    /// What the ingress gave at its own addresses; empty if it was not asked.
    pub ingress: Vec<(IpAddr, Finding)>,
}

/// Whether the CA is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The challenge is visible as far as can be seen from here: tell the CA.
    Tell,
    /// Not yet, and why.
    NotYet(Finding),
}

/// The shortest pause between two probes of one challenge.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The shortest pause while the name does not resolve: DNS changes take longer, and its servers are not ours.
const SHORTEST_NAME_PAUSE: Duration = Duration::from_secs(1);

/// Decides on the evidence, in this order:
///
/// 1. a responder that does not answer yet holds it up: the CA's request could reach that one;
/// 2. what the public name gives decides, if it gives anything;
/// 3. if the public address cannot be connected to from here (hairpin NAT), the ingress itself decides, when every one of
///    its addresses serves the challenge.
#[must_use]
pub fn decide(evidence: &Evidence) -> Verdict {
    let Evidence {
        responders,
        public,
        ingress,
    } = evidence;
    if let Some((_, finding)) = responders.iter().find(|(_, finding)| !finding.is_visible()) {
        return Verdict::NotYet(finding.clone());
    }
    if public.is_visible() {
        return Verdict::Tell;
    }
    if !public.is_unreachable() || ingress.is_empty() {
        return Verdict::NotYet(public.clone());
    }
    match ingress.iter().find(|(_, finding)| !finding.is_visible()) {
        None => Verdict::Tell,
        // An ingress that cannot be reached either says no more than the public address.
        Some((_, finding)) if finding.is_unreachable() => Verdict::NotYet(public.clone()),
        Some((_, finding)) => Verdict::NotYet(finding.clone()),
    }
}

/// How long to wait before the next probe, `waited` after the challenge was presented: a quarter of the time waited so
/// far, from 50 ms to 10 s. So a challenge is seen at most a quarter later than it became visible, with about 40 probes in
/// the first ten minutes and 6 a minute from then on.
#[must_use]
pub fn retry_after(waited: Duration, finding: &Finding) -> Duration {
    let shortest = match finding {
        Finding::Name { .. } | Finding::Elsewhere { .. } => SHORTEST_NAME_PAUSE,
        Finding::Visible
        | Finding::Address { .. }
        | Finding::Connect { .. }
        | Finding::Handshake { .. }
        | Finding::NoAnswer { .. }
        | Finding::Status { .. }
        | Finding::Body { .. }
        | Finding::Redirect { .. } => SHORTEST_PAUSE,
    };
    (waited / 4).clamp(shortest, LONGEST_PAUSE)
}
