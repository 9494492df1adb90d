//! The selection of one of an issuer's solvers for a name (SEL-01..03), and the Order's annotations that override it
//! (ANO-02, ANO-03).

mod overrides;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use super::host::Host;
use crate::api::Solver;
use crate::api::acme_issuer::SolverSelector;
use crate::api::challenge::ChallengeType;
use crate::api::dns_persist::DnsPersist;
use crate::api::dns01::Dns01;
use crate::api::http01::{Http01, Routing};
use crate::plan::order::{identifiers::parts, persist};

/// The identifier to prove, and the challenge types for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The identifier, without the `*.` of a wildcard.
    pub identifier: &'a str,
    /// Whether it is the wildcard of that name.
    pub wildcard: bool,
    /// The challenge types that the CA offers, in its order.
    pub offered: &'a [ChallengeType],
    /// Whether the CA offers `dns-persist-01`.
    pub persist: bool,
}

impl<'a> Wanted<'a> {
    /// What is wanted for a name, or an address, before its CA has been asked: all that a CA may offer for it.
    pub(crate) fn unasked(name: &'a str) -> Self {
        let (identifier, wildcard) = parts(name);
        Self {
            identifier,
            wildcard,
            offered: if wildcard {
                &[ChallengeType::Dns01]
            } else {
                &[ChallengeType::Http01, ChallengeType::Dns01]
            },
            persist: true,
        }
    }
}

/// The parts of the Order that count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderMeta<'a> {
    /// Its namespace, in which an overriding parent of HTTPRoutes is by default.
    pub namespace: &'a str,
    /// Its labels, which selectors match.
    pub labels: &'a BTreeMap<String, String>,
    /// Its annotations, which override the Ingress, or the parents of the HTTPRoute, of HTTP-01 solvers.
    pub annotations: &'a BTreeMap<String, String>,
}

static NONE: BTreeMap<String, String> = BTreeMap::new();

impl OrderMeta<'static> {
    /// Where there is no Order: nothing that a selector matches by label, and nothing that overrides a solver.
    pub(crate) fn absent() -> Self {
        Self {
            namespace: "",
            labels: &NONE,
            annotations: &NONE,
        }
    }
}

/// The solver for one identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selected {
    /// Its index in the issuer's list, from 0.
    pub index: usize,
    /// The solver as the Challenge's `spec.solver` has it, with overrides.
    pub solver: Solver,
    /// The method for the identifier.
    pub method: Method,
}

/// The method by which a solver proves an identifier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Method {
    /// HTTP-01 through an Ingress or HTTPRoute with these settings, with overrides.
    Http01(Box<Routing>),
    /// DNS-01 with the provider that `solver.dns01` names.
    Dns01,
    /// `dns-persist-01` with these settings.
    DnsPersist(DnsPersist),
}

impl Method {
    /// The type of the challenge in ACME.
    pub(crate) const fn acme_name(&self) -> &'static str {
        match self {
            Self::Http01(_) => ChallengeType::Http01.acme_name(),
            Self::Dns01 => ChallengeType::Dns01.acme_name(),
            Self::DnsPersist(_) => persist::TYPE,
        }
    }
}

/// Why no solver can prove an identifier. The remedy is an edit of the issuer or the Certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoSolver {
    /// The issuer has an empty list.
    #[error(
        "no configured challenge solvers can be used for this challenge: the issuer has none, add one to spec.acme.solvers"
    )]
    NoneConfigured,
    /// A wildcard, and HTTP-01 solvers only.
    #[error(
        "no configured challenge solvers can be used for this challenge: a wildcard ({0}) can be proved by DNS-01 only, and the issuer has no matching dns01 solver"
    )]
    WildcardNeedsDns01(String),
    /// An IP address, and DNS-01 solvers only.
    #[error(
        "no configured challenge solvers can be used for this challenge: an IP address ({0}) can be proved by HTTP-01 only, and the issuer has no matching http01 solver"
    )]
    AddressNeedsHttp01(String),
    /// The CA offers no challenge that a solver could prove.
    #[error(
        "no configured challenge solvers can be used for this challenge: the CA offers no type for {0} that a solver of the issuer can answer"
    )]
    NotOffered(String),
    /// A `dns-persist` solver, and a CA that does not offer that type of challenge.
    #[error(
        "no configured challenge solvers can be used for this challenge: this CA does not offer dns-persist-01 for {0}, and no other solver of the issuer is for that name"
    )]
    PersistNotOffered(String),
    /// The best match is a `dns-persist` solver with a wrong config.
    #[error("spec.acme.solvers[{index}] is the one for {identifier}, and {sentence}")]
    WrongConfig {
        /// Its index in the list, from 0.
        index: usize,
        /// The identifier.
        identifier: String,
        /// What is wrong.
        sentence: String,
    },
    /// Solvers of the right type, but no selector matches.
    #[error(
        "no configured challenge solvers can be used for this challenge: no selector of spec.acme.solvers matches {0}"
    )]
    NoMatch(String),
    /// The best match is of a kind that is not implemented yet.
    #[error(
        "spec.acme.solvers[{index}] is the one for {identifier}, but it is a {kind} solver, which certlet cannot use yet"
    )]
    NotSupported {
        /// Its index in the list, from 0.
        index: usize,
        /// The identifier.
        identifier: String,
        /// Its kind.
        kind: &'static str,
    },
    /// More than one override annotation on the Order.
    #[error("may not specify more than one of: name, class, ingressClassName override annotations")]
    ConflictingOverrides,
    /// One of the two annotations that override the parents of HTTPRoutes, without the other.
    #[error(
        "cannot specify only one of parentRefName, parentRefKind override annotations: set acme.cert-manager.io/http01-parentrefname and acme.cert-manager.io/http01-parentrefkind, or neither"
    )]
    HalfOfParent,
    /// A solver for HTTPRoutes without parents, and no annotation that names one.
    #[error(
        "must specify parentRefs either through annotations or solver config: spec.acme.solvers[{index}].http01.gatewayHTTPRoute.parentRefs is empty"
    )]
    NoParent {
        /// Its index in the list, from 0.
        index: usize,
    },
}

/// Selects the solver for one identifier.
///
/// # Errors
/// If none can be used. The error names the remedy.
pub(crate) fn select(solvers: &[Solver], order: OrderMeta<'_>, wanted: Wanted<'_>) -> Result<Selected, NoSolver> {
    let name = if wanted.wildcard {
        format!("*.{}", wanted.identifier)
    } else {
        wanted.identifier.to_owned()
    };
    if solvers.is_empty() {
        return Err(NoSolver::NoneConfigured);
    }
    let mut best: Option<(Rank, usize, &Solver)> = None;
    for (index, solver) in solvers
        .iter()
        .enumerate()
        .filter(|(_, solver)| can_answer(solver, wanted))
    {
        let Some(rank) = rank(solver.selector.as_ref(), &name, order.labels) else {
            continue;
        };
        // Among equal ranks, the first in the list is selected (SEL-02).
        if best.is_none_or(|(highest, _, _)| rank > highest) {
            best = Some((rank, index, solver));
        }
    }
    let Some((_, index, solver)) = best else {
        let is_meant =
            |solver: &&Solver| persists(solver) && rank(solver.selector.as_ref(), &name, order.labels).is_some();
        let is_meant = !wanted.persist && !is_address(wanted.identifier) && solvers.iter().any(|one| is_meant(&one));
        return Err(if is_meant {
            NoSolver::PersistNotOffered(name)
        } else {
            why_none(solvers, wanted, name)
        });
    };
    let method = match method(solver, wanted) {
        Ok(method) => method,
        Err(Unfit::NotSupported(kind)) => {
            return Err(NoSolver::NotSupported {
                index,
                identifier: name,
                kind,
            });
        }
        Err(Unfit::Config(sentence)) => {
            return Err(NoSolver::WrongConfig {
                index,
                identifier: name,
                sentence,
            });
        }
    };
    let mut solver = solver.clone();
    let method = match method {
        Method::Http01(routing) => {
            let routing = overrides::applied(*routing, order, index)?;
            if let Some(http01) = &mut solver.http01 {
                match &routing {
                    Routing::Ingress(ingress) => http01.ingress = Some(ingress.clone()),
                    Routing::HttpRoute(route) => http01.gateway_http_route = Some(route.clone()),
                }
            }
            Method::Http01(Box::new(routing))
        }
        other @ (Method::Dns01 | Method::DnsPersist(_)) => other,
    };
    Ok(Selected { index, solver, method })
}

/// Why a solver cannot be used.
enum Unfit {
    /// certlet does not have it; its kind.
    NotSupported(&'static str),
    /// Its config is wrong; a sentence.
    Config(String),
}

/// The method of a solver for an identifier.
fn method(solver: &Solver, wanted: Wanted<'_>) -> Result<Method, Unfit> {
    let routing = solver.http01.as_ref().and_then(Http01::routing);
    if let Some(routing) = routing.filter(|_| can_answer_by(solver, ChallengeType::Http01, wanted)) {
        return Ok(Method::Http01(Box::new(routing)));
    }
    if let Some(settings) = solver.dns01.as_ref().and_then(Dns01::dns_persist) {
        return settings.map(Method::DnsPersist).map_err(Unfit::Config);
    }
    let unsupported = solver.dns01.as_ref().map_or(Some("dns01"), Dns01::unsupported);
    unsupported.map_or(Ok(Method::Dns01), |kind| Err(Unfit::NotSupported(kind)))
}

/// The rank of a match: a named domain before a zone before labels. Then the longer zone, then the larger number of
/// labels (SEL-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    named: bool,
    zone_labels: usize,
    order_labels: usize,
}

/// The rank of a selector; `None` if it does not match (SEL-01).
fn rank(selector: Option<&SolverSelector>, name: &str, labels: &BTreeMap<String, String>) -> Option<Rank> {
    let nothing = SolverSelector::default();
    let SolverSelector {
        dns_names,
        dns_zones,
        match_labels,
    } = selector.unwrap_or(&nothing);
    let named = dns_names.iter().any(|listed| listed == name);
    let zone_labels = dns_zones.iter().filter_map(|zone| labels_of_zone(name, zone)).max();
    let labels_match = match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
    let matches = labels_match && (named || dns_names.is_empty()) && (zone_labels.is_some() || dns_zones.is_empty());
    matches.then(|| Rank {
        named,
        zone_labels: zone_labels.unwrap_or(0),
        order_labels: match_labels.len(),
    })
}

/// The number of labels of the zone, if the name is in it. Case and a final dot do not matter. The root is not a zone.
fn labels_of_zone(name: &str, zone: &str) -> Option<usize> {
    let (name, zone) = (name.trim_end_matches('.'), zone.trim_end_matches('.'));
    let mut labels = name.rsplit('.');
    let inside = zone
        .rsplit('.')
        .all(|label| labels.next().is_some_and(|of_name| of_name.eq_ignore_ascii_case(label)));
    (inside && !zone.is_empty()).then(|| zone.split('.').count())
}

/// Whether a solver can prove a challenge type that the CA offers for this identifier (SEL-03).
fn can_answer(solver: &Solver, wanted: Wanted<'_>) -> bool {
    let mut kinds = ChallengeType::ALL.iter();
    kinds.any(|kind| can_answer_by(solver, *kind, wanted))
}

/// Whether a solver can prove this identifier by a challenge of this type, and the CA offers it.
fn can_answer_by(solver: &Solver, kind: ChallengeType, wanted: Wanted<'_>) -> bool {
    let is_offered = if kind == ChallengeType::Dns01 && persists(solver) {
        wanted.persist
    } else {
        wanted.offered.contains(&kind)
    };
    is_offered && answers(solver, kind) && is_possible(kind, wanted)
}

/// Whether its dns01 part is the solver `dns-persist`.
fn persists(solver: &Solver) -> bool {
    solver.dns01.as_ref().is_some_and(Dns01::is_dns_persist)
}

fn answers(solver: &Solver, kind: ChallengeType) -> bool {
    match kind {
        ChallengeType::Http01 => solver
            .http01
            .as_ref()
            .is_some_and(|http01| http01.ingress.is_some() || http01.gateway_http_route.is_some()),
        ChallengeType::Dns01 => solver.dns01.is_some(),
    }
}

fn is_possible(kind: ChallengeType, wanted: Wanted<'_>) -> bool {
    match kind {
        ChallengeType::Http01 => !wanted.wildcard,
        ChallengeType::Dns01 => !is_address(wanted.identifier),
    }
}

fn is_address(identifier: &str) -> bool {
    matches!(Host::parse(identifier), Some(Host::Address(_)))
}

fn why_none(solvers: &[Solver], wanted: Wanted<'_>, name: String) -> NoSolver {
    let has = |kind| solvers.iter().any(|solver| answers(solver, kind));
    if solvers.iter().any(|solver| can_answer(solver, wanted)) {
        NoSolver::NoMatch(name)
    } else if wanted.wildcard && !has(ChallengeType::Dns01) {
        NoSolver::WildcardNeedsDns01(name)
    } else if is_address(wanted.identifier) && !has(ChallengeType::Http01) {
        NoSolver::AddressNeedsHttp01(name)
    } else {
        NoSolver::NotOffered(name)
    }
}
