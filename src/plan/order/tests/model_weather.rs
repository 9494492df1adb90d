//! What the model lets go wrong.

use std::collections::BTreeSet;

/// What goes wrong in a model, by the number of the call or probe that it happens to.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    /// The CA gives no answer to these calls, though it does what they ask.
    pub(super) answers_lost: BTreeSet<u32>,
    /// The CA asks to wait at these calls.
    pub(super) limited: BTreeSet<u32>,
    /// The process ends after this number of steps, and begins again.
    pub(super) killed_after: BTreeSet<u32>,
    /// Probes that fail before the first that passes.
    pub(super) probes_failing: u32,
    /// Looks at an authorization, after it was accepted, before it is decided.
    pub(super) validation_looks: u32,
    /// Validations that fail and leave the challenge pending, before the first that decides.
    pub(super) validations_failing: u32,
    /// Names that the CA does not find proved.
    pub(super) refused: BTreeSet<String>,
    /// Names that are proved before the order is made.
    pub(super) proved: BTreeSet<String>,
    /// Looks at the order, after it was finalized, before its certificate is there.
    pub(super) issuing_looks: u32,
    /// The CA forgets the order that was made as this one, once it was written down.
    pub(super) forgets: Option<usize>,
    /// The CA validates at once what it was reported of, and finds nobody while the process is away.
    pub(super) validates_while_away: bool,
    /// The CA goes on calling an order pending that can never become anything else.
    pub(super) never_says_invalid: bool,
    /// Names that are proved by DNS-01.
    pub(super) by_dns: BTreeSet<String>,
    /// Calls of the DNS provider that fail; every second of them has done what was asked.
    pub(super) dns_failing: BTreeSet<u32>,
    /// Every call of the DNS provider fails.
    pub(super) dns_down: bool,
    /// How often a proof outside the cluster cannot be located.
    pub(super) locations_failing: u32,
    /// How many seconds the DNS provider takes to answer.
    pub(super) dns_takes: i64,
    /// The Order is deleted after this number of steps.
    pub(super) deleted_after: Option<u32>,
}
