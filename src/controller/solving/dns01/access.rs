//! How the provider of a record is reached: with the settings of an issuer's solver.

use super::Provider;
use crate::{
    api::{challenge::ChallengeSpec, dns01, names::annotation},
    cluster::issuers,
    controller::Ports,
    plan::{
        issuer::{IssuerId, Lookup},
        kinds::ChallengeKind,
        seen::Object,
    },
};

/// What the issuer allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allows {
    /// Whether credentials of the place that certlet, or a webhook, runs in may be used (FLG-15).
    pub ambient: bool,
    /// Whether a webhook may be called for several records at once.
    pub parallel: bool,
}

/// How a provider is reached.
#[derive(Clone)]
pub(crate) enum Access {
    /// With these settings of a solver and the Secrets that they name.
    Settings {
        /// To read the Secrets.
        ports: Box<Ports>,
        /// The settings.
        dns01: Box<dns01::Dns01>,
        /// Namespace of the Secrets.
        namespace: String,
        /// What the issuer allows.
        allows: Allows,
    },
    /// It is at hand.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests have a provider without settings"))]
    Provider(Provider),
    /// Not at all; why, as a sentence.
    Denied(String),
}

impl Access {
    /// With the settings of a solver of this issuer.
    pub(crate) fn of_issuer(ports: &Ports, dns01: dns01::Dns01, issuer: &IssuerId) -> Self {
        let namespace = issuer.namespace_of_secrets(&ports.settings.cluster_resource_namespace);
        Self::Settings {
            ports: Box::new(ports.clone()),
            dns01: Box::new(dns01),
            namespace: namespace.to_owned(),
            allows: Allows {
                ambient: ports.settings.dns01.allows_ambient(issuer.is_cluster()),
                parallel: issuers::annotation(&ports.index, issuer, annotation::DNS01_PARALLEL).as_deref()
                    == Some("true"),
            },
        }
    }

    /// With the solver that a Challenge names. Tenants may write Challenges: one for a ClusterIssuer counts only as far as the
    /// ClusterIssuer has the same solver, since its Secrets are not the tenant's.
    pub(crate) fn of_challenge(ports: &Ports, challenge: &Object<ChallengeKind>) -> Self {
        let ChallengeSpec { solver, issuer_ref, .. } = &challenge.spec;
        let Some(dns01) = solver.dns01.clone() else {
            return Self::Denied("its Challenge names no dns01 solver".to_owned());
        };
        let namespace = &challenge.meta.key.namespace;
        let id = match issuers::find(&ports.index, issuer_ref, namespace) {
            Lookup::External => return Self::Denied(format!("{issuer_ref} is another controller's issuer")),
            Lookup::Missing(id) | Lookup::Unreadable(id, _) => (id, false),
            Lookup::Found(issuer) => {
                let acme = issuer.spec.acme.as_ref();
                let solvers = acme.map(|acme| acme.solvers.as_slice()).unwrap_or_default();
                (
                    issuer.id(),
                    solvers.iter().any(|solver| solver.dns01.as_ref() == Some(&dns01)),
                )
            }
        };
        match id {
            (id, false) if id.is_cluster() => Self::Denied(format!("the {id} has no such solver any more")),
            (id, _) => Self::of_issuer(ports, dns01, &id),
        }
    }
}
