//! Checks and responses of `/livez`, in the format of Kubernetes' components (HLT-01).

use std::{fmt::Write, time::Duration};

use super::leader::Leadership;

/// A health check.
#[derive(Debug)]
pub(super) struct Check {
    name: &'static str,
    /// The problem, if there is one.
    problem: Option<String>,
}

impl Check {
    /// The leader renews its Lease. Losing the Lease stops the controllers and not the process. A leader that neither renews nor
    /// notices is restarted.
    pub(super) fn leader_election(leadership: &Leadership) -> Self {
        let problem = leadership
            .overdue()
            .map(|late| format!("this process leads, but its Lease expired {}s ago", late.as_secs()));
        Self {
            name: "leaderElection",
            problem,
        }
    }

    /// Timers are reliable.
    pub(super) fn clock_health(is_healthy: bool, drift: Duration) -> Self {
        let problem = (!is_healthy).then(|| {
            format!(
                "the clock and the timers have drifted apart by {}s, as after a suspended machine",
                drift.as_secs()
            )
        });
        Self {
            name: "clockHealth",
            problem,
        }
    }
}

/// All checks.
#[derive(Debug)]
pub(super) struct Health<const N: usize> {
    pub(super) checks: [Check; N],
}

impl<const N: usize> Health<N> {
    /// Whether all checks pass, and the response of `/livez`. Query parameters: `verbose`, and `exclude=NAME`.
    pub(super) fn answer(&self, query: &str) -> (bool, String) {
        let asked: Vec<(&str, &str)> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let is_excluded = |check: &Check| asked.contains(&("exclude", check.name));
        let is_sick = |check: &&Check| check.problem.is_some() && !is_excluded(check);
        let ok = !self.checks.iter().any(|check| is_sick(&check));
        if ok && !asked.iter().any(|(key, _)| *key == "verbose") {
            return (true, "ok".to_owned());
        }
        let mut lines = String::new();
        for check in &self.checks {
            let name = check.name;
            // writing to a String cannot fail
            let _infallible = match &check.problem {
                _ if is_excluded(check) => writeln!(lines, "[+]{name} excluded: ok"),
                Some(problem) => writeln!(lines, "[-]{name} failed: {problem}"),
                None => writeln!(lines, "[+]{name} ok"),
            };
        }
        lines.push_str(if ok {
            "livez check passed\n"
        } else {
            "livez check failed\n"
        });
        (ok, lines)
    }

    /// The response of `/livez/NAME`; `None` if there is no such check.
    pub(super) fn single(&self, name: &str) -> Option<(bool, String)> {
        let check = self.checks.iter().find(|check| check.name == name)?;
        Some(match &check.problem {
            Some(problem) => (false, format!("internal server error: {problem}\n")),
            None => (true, "ok".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFT: Duration = Duration::from_secs(301);

    fn health(clock_is_healthy: bool) -> Health<2> {
        Health {
            checks: [
                Check::leader_election(&Leadership::default()),
                Check::clock_health(clock_is_healthy, DRIFT),
            ],
        }
    }

    #[test]
    fn a_healthy_process_says_ok_and_lists_its_checks_when_asked() {
        assert_eq!(health(true).answer(""), (true, "ok".to_owned()));
        let lines = "[+]leaderElection ok\n[+]clockHealth ok\nlivez check passed\n";
        for query in ["verbose", "verbose=1", "a=b&verbose"] {
            assert_eq!(health(true).answer(query), (true, lines.to_owned()), "{query}");
        }
    }

    #[test]
    fn a_drifted_clock_is_named_unless_it_is_excluded() {
        let (ok, lines) = health(false).answer("");
        assert!(
            !ok && lines.starts_with("[+]leaderElection ok\n[-]clockHealth failed: "),
            "{lines}"
        );
        assert!(
            lines.ends_with("by 301s, as after a suspended machine\nlivez check failed\n"),
            "{lines}"
        );
        assert_eq!(health(false).answer("exclude=clockHealth"), (true, "ok".to_owned()));
        let lines = "[+]leaderElection ok\n[+]clockHealth excluded: ok\nlivez check passed\n";
        assert_eq!(
            health(false).answer("verbose&exclude=clockHealth"),
            (true, lines.to_owned())
        );
    }

    #[test]
    fn each_check_has_an_address_of_its_own() {
        let health = health(false);
        assert_eq!(health.single("leaderElection"), Some((true, "ok".to_owned())));
        assert!(!health.single("clockHealth").unwrap().0);
        assert_eq!(health.single("etcd"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_lease_expired_without_its_notice_is_sick() {
        let leadership = Leadership::default();
        leadership.renewed(Duration::from_secs(60));
        leadership.set(true);
        tokio::time::advance(Duration::from_secs(80)).await;
        assert!(Check::leader_election(&leadership).problem.is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(Check::leader_election(&leadership).problem.is_some());
        leadership.set(false);
        assert!(
            Check::leader_election(&leadership).problem.is_none(),
            "a standby renews nothing"
        );
    }
}
