//! The reason why this process stands by, for logs, `/readyz` and metrics.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use crate::text::short_line;

/// Length limit for a printed holder identity. Kubernetes' components use a host name and a UUID.
const MAX_HOLDER: usize = 100;
/// Minimum interval between log lines about standing by.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// The holder for which this process stands by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandingBy {
    /// The holder identity, sanitised.
    pub holder: String,
    /// Name of the Lease.
    pub lease: &'static str,
    /// Namespace of the Lease.
    pub namespace: String,
    /// The state of the holder.
    pub reason: Reason,
}

/// Why a Lease keeps this process from leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is the Lease of our own election. The holder leads.
    Leader,
    /// It is the Lease of another installation, and the holder renews it.
    OtherInstallation,
    /// It is the Lease of another installation, and the holder must renew it within this time.
    Unproven(Duration),
}

impl StandingBy {
    /// `holder` is the holder identity in the Lease.
    pub(super) fn new(holder: &str, lease: &'static str, namespace: &str, reason: Reason) -> Self {
        Self {
            lease,
            holder: short_line(holder, MAX_HOLDER),
            namespace: namespace.to_owned(),
            reason,
        }
    }

    /// Whether another installation, and not a replica of this one, is the reason.
    pub(crate) fn is_for_other_installation(&self) -> bool {
        self.reason != Reason::Leader
    }
}

impl fmt::Display for StandingBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            holder,
            lease,
            namespace,
            reason,
        } = self;
        match reason {
            Reason::Leader => {
                write!(
                    f,
                    "standing by: {holder} holds the Lease {lease} in namespace {namespace}"
                )
            }
            Reason::OtherInstallation => {
                write!(
                    f,
                    "standing by: {holder} renews the Lease {lease} in namespace {namespace}; another installation is at \
                     work on the same objects, and this one begins when that one ends"
                )
            }
            Reason::Unproven(left) => {
                write!(
                    f,
                    "standing by: {holder} holds the Lease {lease} in namespace {namespace}. Unless it renews the Lease \
                     within {}s, it is dead and this process goes on; a Lease that nobody needs can be deleted",
                    left.as_secs()
                )
            }
        }
    }
}

/// Limits log lines to one per [`REPORT_INTERVAL`].
#[derive(Debug, Default)]
pub(super) struct Reports(Option<Instant>);

impl Reports {
    /// Whether a line is due. If so, the caller must write it.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.0.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_printed_on_one_line_of_bounded_length_without_control_characters() {
        let hostile = format!("a\n\x1b[2Kleading\u{202e}{}", "b".repeat(100_000));
        let shown = StandingBy::new(&hostile, "lease", "team-a", Reason::OtherInstallation);
        assert!(
            shown.holder.starts_with(r"a\n\u{1b}[2Kleading\u{202e}bbb"),
            "{}",
            shown.holder
        );
        assert!(shown.holder.chars().count() < 2 * MAX_HOLDER);
        assert!(shown.to_string().lines().count() == 1);
        let usual = "cert-manager-5d8f_0b0c9a8f-6f1e-4c55-9d0a-3a1a2b9d8c7e";
        assert_eq!(
            StandingBy::new(usual, "lease", "kube-system", Reason::Leader).holder,
            usual
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_is_let_through() {
        let mut reports = Reports::default();
        let mut lines = 0;
        for _second in 0..180 {
            lines += u32::from(reports.is_due());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 3);
    }
}
