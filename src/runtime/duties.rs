//! Duties that another program may have taken: the injection of CAs, and trust bundles. The leader does them if it also holds the Lease
//! of that program, cert-manager's cainjector or trust-manager. While the program holds it, certlet leaves them to it.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::leader::{Election, Leadership, elect};
use crate::{
    api::{bundle, names},
    cluster::access::Right,
    controller::{Controllers, injection},
    plan::settings::Settings,
};

/// Interval between two checks of a right that is missing.
const RIGHTS_INTERVAL: Duration = Duration::from_secs(60);
/// Interval between two checks while the API server does not answer them.
const UNANSWERED_INTERVAL: Duration = Duration::from_secs(2);

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// CAs are injected.
    Injection,
    /// Bundles are reconciled.
    Bundles,
}

impl Duty {
    /// The state of the Lease. A process that only injects CAs leads with that Lease.
    pub(super) fn office(self, settings: &Settings, leadership: &Leadership) -> Leadership {
        if self == Self::Injection && settings.injection.alone {
            leadership.clone()
        } else {
            Leadership::default()
        }
    }

    fn is_wanted(self, settings: &Settings) -> bool {
        match self {
            Self::Injection => !settings.injection.alone && settings.namespace.is_none() && settings.injection.enabled,
            Self::Bundles => settings.has_bundles(),
        }
    }

    const fn lease(self) -> &'static str {
        match self {
            Self::Injection => names::INJECTION_LEASE_NAME,
            Self::Bundles => bundle::LEASE_NAME,
        }
    }

    /// The namespace of the Lease. That of trust-manager is in its own namespace, by default the one of the sources.
    fn namespace(self, settings: &Settings, election: &Election) -> String {
        let trusted = settings.bundles.trust_namespaces.first();
        match self {
            Self::Injection => election.namespace.clone(),
            Self::Bundles => trusted.unwrap_or(&election.namespace).clone(),
        }
    }

    /// What to do about a missing right to the Lease.
    const fn advice(self) -> &'static str {
        match self {
            Self::Injection => {
                "certlet injects no CAs. Apply the roles of this version (deploy/base/rbac.yaml, or the Helm chart), or set \
                 --enable-cainjector=false"
            }
            Self::Bundles => {
                "certlet reconciles no Bundles. Apply the roles for them (deploy/bundles, or rbac.bundles of the Helm chart), or set \
                 --enable-bundles=false"
            }
        }
    }

    /// Reconciles all objects of the duty.
    fn wake(self, controllers: &Controllers) {
        let ports = &controllers.ports;
        match self {
            Self::Injection => {
                for target in injection::all(&ports.index) {
                    ports.queues.injections.add(target);
                }
            }
            Self::Bundles => {
                for bundle in ports.index.bundles.keys() {
                    ports.queues.bundles.add(bundle);
                }
            }
        }
    }
}

/// What decides who does a duty.
pub(super) struct Office {
    duty: Duty,
    controllers: Arc<Controllers>,
    /// Of the controller.
    leadership: Leadership,
    /// Of the duty.
    doing: Leadership,
    /// That of the controller; `None` without leader election.
    election: Option<Election>,
}

impl Office {
    /// What decides, from the states of the controller and of the duty and the election of the controller.
    pub(super) fn new(
        duty: Duty,
        controllers: Arc<Controllers>,
        (leadership, doing): (&Leadership, Leadership),
        election: Option<Election>,
    ) -> Self {
        Self {
            duty,
            controllers,
            leadership: leadership.clone(),
            doing,
            election,
        }
    }

    /// Takes part in the election for the duty while this process leads, until `shutdown`.
    pub(super) async fn follow(self, shutdown: CancellationToken) {
        let settings = &self.controllers.ports.settings;
        if !self.duty.is_wanted(settings) {
            return;
        }
        tokio::spawn(wake_when_won(
            self.duty,
            Arc::clone(&self.controllers),
            self.doing.clone(),
        ));
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
            self.doing.set(false);
        }
    }

    async fn take_part(&self, term: CancellationToken) {
        let Some(election) = self.election.clone() else {
            self.doing.set(true);
            return;
        };
        let election = Election {
            lease: self.duty.lease(),
            namespace: self.duty.namespace(&self.controllers.ports.settings, &election),
            others: Vec::new(),
            ..election
        };
        tokio::select! {
            () = term.cancelled() => return,
            () = self.until_allowed(&election.namespace) => {}
        }
        let client = self.controllers.ports.reader.client().clone();
        elect(client, election, self.doing.clone(), term).await;
    }

    /// Returns when this process may renew the Lease. Rights that an installation of an earlier version does not have are reported once.
    async fn until_allowed(&self, namespace: &str) {
        let right = Right {
            namespace: namespace.to_owned(),
            group: "coordination.k8s.io".to_owned(),
            resource: "leases".to_owned(),
            name: self.duty.lease().to_owned(),
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
                        "certlet may not update the Lease {} in namespace {namespace}: {}",
                        self.duty.lease(),
                        self.duty.advice()
                    );
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, duty = ?self.duty, "cannot check the right to the Lease"),
            }
            tokio::time::sleep(interval).await;
        }
    }
}

/// The time until the right is checked again. An API server that restarts must not delay the duty by a minute.
const fn interval<E>(may: &Result<bool, E>) -> Duration {
    match may {
        Ok(_) => RIGHTS_INTERVAL,
        Err(_) => UNANSWERED_INTERVAL,
    }
}

/// Reconciles all objects of the duty when this process gets the Lease for it.
async fn wake_when_won(duty: Duty, controllers: Arc<Controllers>, doing: Leadership) {
    let mut changes = doing.subscribe();
    loop {
        if *changes.borrow_and_update() {
            duty.wake(&controllers);
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

    #[test]
    fn bundles_are_a_duty_of_an_installation_for_the_cluster_that_wants_them() {
        let mut settings = Settings::default();
        assert!(!Duty::Bundles.is_wanted(&settings));
        settings.bundles.enabled = true;
        assert!(Duty::Bundles.is_wanted(&settings));
        settings.namespace = Some("shop".to_owned());
        assert!(!Duty::Bundles.is_wanted(&settings));
    }
}
