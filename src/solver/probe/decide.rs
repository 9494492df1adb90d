//! The verdict on the findings of a self-check, and the delay before the next one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::finding::Finding;

/// All findings about one challenge in one round.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Every advertised responder address, probed directly. Empty in pod mode.
    pub responders: Vec<(SocketAddr, Finding)>,
    /// The finding at the public name.
    pub public: Finding,
    /// The findings at the ingress controller's own addresses. Empty if they were not probed.
    pub ingress: Vec<(IpAddr, Finding)>,
}

/// Whether the challenge can be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The challenge is visible, as far as this process can see.
    Accept,
    /// Not yet, with the finding.
    NotYet(Finding),
}

/// The shortest delay between two probes of one challenge.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest delay.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The shortest delay while the name does not resolve. DNS changes take longer, and the DNS servers are not ours.
const SHORTEST_NAME_PAUSE: Duration = Duration::from_secs(1);

/// Decides in this order:
///
/// 1. a responder without the answer delays the acceptance, because the CA's request could reach it;
/// 2. the finding at the public name decides, if there was a connection;
/// 3. without a connection to the public address (hairpin NAT), the ingress controller's own addresses decide: all of
///    them must serve the challenge.
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
        return Verdict::Accept;
    }
    if !public.is_unreachable() || ingress.is_empty() {
        return Verdict::NotYet(public.clone());
    }
    match ingress.iter().find(|(_, finding)| !finding.is_visible()) {
        None => Verdict::Accept,
        // An ingress without a connection adds nothing to the public address.
        Some((_, finding)) if finding.is_unreachable() => Verdict::NotYet(public.clone()),
        Some((_, finding)) => Verdict::NotYet(finding.clone()),
    }
}

/// The delay before the next probe. `waited` is the time since the challenge was presented. The delay is a quarter of
/// it, from 50 ms to 10 s. So a visible challenge is detected at most a quarter late, after about 40 probes in the
/// first ten minutes and 6 in each further minute.
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
