//! Outages of servers.

/// Why a server does nothing for now, whatever it is asked for. Neither is a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageKind {
    /// It does not answer, or it answers with an error of its own (5xx).
    Unreachable,
    /// It limits requests (429, `rateLimited`).
    RateLimited,
}
