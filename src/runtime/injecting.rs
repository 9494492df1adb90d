//! Who injects CAs: the leader, if it also holds the Lease of cert-manager's cainjector. While a cainjector holds that Lease, certlet
//! injects nothing.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::leader::{Election, Leadership, elect};
use crate::{
    api::names,
    cluster::access::Right,
    controller::{Controllers, injection},
    plan::settings::Settings,
};

/// Interval between two checks of a right that is missing.
const RIGHTS_INTERVAL: Duration = Duration::from_secs(60);
/// Interval between two checks while the API server does not answer them.
const UNANSWERED_INTERVAL: Duration = Duration::from_secs(2);

/// The state of the Lease for injections. A process that does nothing else leads with it.
pub(super) fn office(settings: &Settings, leadership: &Leadership) -> Leadership {
    if settings.injection.alone {
        leadership.clone()
    } else {
        Leadership::default()
    }
}

/// What decides who injects.
pub(super) struct Office {
    pub(super) controllers: Arc<Controllers>,
    /// Of the controller.
    pub(super) leadership: Leadership,
    /// Of the injection.
    pub(super) injecting: Leadership,
    /// That of the controller; `None` without leader election.
    pub(super) election: Option<Election>,
}

impl Office {
    /// Takes part in the election for injections while this process leads, until `shutdown`.
    pub(super) async fn follow(self, shutdown: CancellationToken) {
        let settings = &self.controllers.ports.settings;
        if settings.injection.alone || settings.namespace.is_some() || !settings.injection.enabled {
            return;
        }
        tokio::spawn(wake_when_won(Arc::clone(&self.controllers), self.injecting.clone()));
        let mut leads = self.leadership.subscribe();
        while !shutdown.is_cancelled() {
            let term = shutdown.child_token();
            let is_leader = *leads.borrow_and_update();
            let taking_part = async {
                if is_leader {
                    self.take_part(term.clone()).await;
                }
                term.cancelled().await;
            };
            tokio::pin!(taking_part);
            tokio::select! {
                () = &mut taking_part => {}
                _ = leads.changed() => {
                    term.cancel();
                    // the Lease is released before anything else
                    taking_part.await;
                }
            }
            self.injecting.set(false);
        }
    }

    async fn take_part(&self, term: CancellationToken) {
        let Some(election) = self.election.clone() else {
            self.injecting.set(true);
            return;
        };
        tokio::select! {
            () = term.cancelled() => return,
            () = self.until_allowed(&election.namespace) => {}
        }
        let election = Election {
            lease: names::INJECTION_LEASE_NAME,
            others: Vec::new(),
            ..election
        };
        let client = self.controllers.ports.reader.client().clone();
        elect(client, election, self.injecting.clone(), term).await;
    }

    /// Returns when this process may renew the Lease. Rights that an installation of an earlier version does not have are reported once.
    async fn until_allowed(&self, namespace: &str) {
        let right = Right {
            namespace: namespace.to_owned(),
            group: "coordination.k8s.io".to_owned(),
            resource: "leases".to_owned(),
            name: names::INJECTION_LEASE_NAME.to_owned(),
            verb: "update".to_owned(),
            ..Right::default()
        };
        let mut is_reported = false;
        loop {
            let may = self.controllers.ports.reader.caller_may(&right).await;
            let interval = interval(&may);
            match may {
                Ok(true) => return,
                Ok(false) if !is_reported => {
                    is_reported = true;
                    tracing::warn!(
                        "certlet injects no CAs: it may not update the Lease {} in namespace {namespace}. Apply the roles of this version \
                         (deploy/base/rbac.yaml, or the Helm chart), or set --enable-cainjector=false",
                        names::INJECTION_LEASE_NAME
                    );
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "cannot check the right to the Lease for injections"),
            }
            tokio::time::sleep(interval).await;
        }
    }
}

/// The time until the right is checked again. An API server that restarts must not delay injections by a minute.
const fn interval<E>(may: &Result<bool, E>) -> Duration {
    match may {
        Ok(_) => RIGHTS_INTERVAL,
        Err(_) => UNANSWERED_INTERVAL,
    }
}

/// Reconciles all targets when this process gets the Lease for injections.
async fn wake_when_won(controllers: Arc<Controllers>, injecting: Leadership) {
    let mut changes = injecting.subscribe();
    loop {
        if *changes.borrow_and_update() {
            let ports = &controllers.ports;
            for target in injection::all(&ports.index) {
                ports.queues.injections.add(target);
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_the_right_that_failed_is_repeated_soon() {
        assert!(interval(&Err(())) <= Duration::from_secs(2));
        assert_eq!(interval::<()>(&Ok(false)), RIGHTS_INTERVAL);
    }
}
