//! The flags of leader election (FLG-06, FLG-07).

use std::time::Duration;

use clap::Args;

use super::{
    go::{boolean, duration},
    switches::ArgsError,
};
use crate::{api::names, process::environment::Environment, runtime::leader::Election};

/// `--leader-elect*`.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the flags are called so")]
pub(in crate::cli) struct ElectionArgs {
    /// Elect a leader. Only the leader writes; the other replicas are warm standbys
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Leader election")]
    leader_elect: bool,
    /// Namespace of the Lease. cert-manager also uses kube-system, so that certlet and cert-manager never act at the same time
    #[arg(
        long,
        default_value = "kube-system",
        value_name = "NAMESPACE",
        help_heading = "Leader election"
    )]
    leader_election_namespace: String,
    /// Time after the last renewal until a standby may take over the Lease
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "DURATION", help_heading = "Leader election")]
    leader_election_lease_duration: Duration,
    /// Time without a successful renewal until the leader stops
    #[arg(long, default_value = "40s", value_parser = duration, value_name = "DURATION", help_heading = "Leader election")]
    leader_election_renew_deadline: Duration,
    /// Interval at which the leader renews the Lease and standbys read it
    #[arg(long, default_value = "15s", value_parser = duration, value_name = "DURATION", help_heading = "Leader election")]
    leader_election_retry_period: Duration,
}

impl ElectionArgs {
    /// The namespace of the Lease; `None` without leader election.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.leader_elect.then_some(&*self.leader_election_namespace)
    }

    /// The election; `None` without one. `others` has the namespaces where another installation may hold a Lease of the same name.
    ///
    /// # Errors
    /// [`ArgsError::Election`] for durations with which it would not work.
    pub(super) fn election(
        &self,
        environment: &Environment,
        others: Vec<String>,
    ) -> Result<Option<Election>, ArgsError> {
        let Some(namespace) = self.namespace() else {
            return Ok(None);
        };
        let election = Election {
            lease: names::LEASE_NAME,
            namespace: namespace.to_owned(),
            identity: environment.identity(),
            lease_duration: self.leader_election_lease_duration,
            renew_deadline: self.leader_election_renew_deadline,
            retry_period: self.leader_election_retry_period,
            others,
        };
        if election.retry_period >= election.renew_deadline || election.renew_deadline >= election.lease_duration {
            return Err(ArgsError::Election);
        }
        Ok(Some(election))
    }
}
