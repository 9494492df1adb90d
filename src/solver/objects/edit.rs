//! Challenge paths in an Ingress of the user that is edited in place (HTT-05).

use k8s_openapi::api::networking::v1::{HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressRule};

use super::ChallengePath;
use super::ingress::ingress_path;
use crate::api::names::SOLVER_NAME_PREFIX;
use crate::solver::classes::PathType;
use crate::solver::token::CHALLENGE_PREFIX;

/// A challenge's path in an Ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SolverPath<'a> {
    /// The rule's host; `None` for the rule without host, which addresses use.
    pub host: Option<&'a str>,
    /// The part after the well-known path.
    pub token: &'a str,
    /// The solver Service behind it.
    pub service: &'a str,
}

impl SolverPath<'_> {
    /// Whether it is the path of this challenge.
    #[must_use]
    pub fn is(&self, challenge: &ChallengePath) -> bool {
        self.host == challenge.host.in_rule() && self.token == challenge.token.as_str()
    }
}

/// The challenge paths in an Ingress: below the well-known path, with a solver Service. Other paths are the user's.
pub fn solver_paths(ingress: &Ingress) -> impl Iterator<Item = SolverPath<'_>> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    rules.flat_map(|rule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.filter_map(|path| as_solver_path(rule.host.as_deref(), path))
    })
}

/// The Ingress with the challenges' paths before the other paths of their hosts. `None` if it has them already.
///
/// Another entry of a rule for the same path is replaced, because a token has only one answer.
#[must_use]
pub fn with_paths(
    ingress: &Ingress,
    challenges: &[ChallengePath],
    service: &str,
    path_type: PathType,
) -> Option<Ingress> {
    let mut edited = ingress.clone();
    let rules = edited.spec.get_or_insert_default().rules.get_or_insert_default();
    for challenge in challenges {
        let wanted = ingress_path(challenge, service, path_type);
        let host = challenge.host.in_rule();
        let Some(rule) = rules
            .iter_mut()
            .find(|rule| rule.host.as_deref().filter(|host| !host.is_empty()) == host)
        else {
            let http = Some(HTTPIngressRuleValue { paths: vec![wanted] });
            rules.push(IngressRule {
                host: host.map(str::to_owned),
                http,
            });
            continue;
        };
        let paths = &mut rule.http.get_or_insert_default().paths;
        if paths.contains(&wanted) {
            continue;
        }
        paths.retain(|path| path.path != wanted.path);
        paths.insert(0, wanted);
    }
    (edited != *ingress).then_some(edited)
}

/// The Ingress without the solver paths that `is_dropped` selects. `None` if there are none.
///
/// A rule that loses its last path is removed too (HTT-05). Rules that had none are kept.
pub fn without_paths(ingress: &Ingress, is_dropped: impl Fn(&SolverPath<'_>) -> bool) -> Option<Ingress> {
    let mut edited = ingress.clone();
    let rules = edited.spec.as_mut()?.rules.as_mut()?;
    rules.retain_mut(|rule| {
        let host = rule.host.clone();
        let Some(http) = &mut rule.http else { return true };
        let before = http.paths.len();
        http.paths.retain(|path| {
            let found = as_solver_path(host.as_deref(), path);
            !found.is_some_and(|found| is_dropped(&found))
        });
        http.paths.len() == before || !http.paths.is_empty()
    });
    (edited != *ingress).then_some(edited)
}

fn as_solver_path<'a>(host: Option<&'a str>, path: &'a HTTPIngressPath) -> Option<SolverPath<'a>> {
    let token = path.path.as_deref()?.strip_prefix(CHALLENGE_PREFIX)?;
    let service = path.backend.service.as_ref()?.name.as_str();
    let host = host.filter(|host| !host.is_empty());
    service
        .starts_with(SOLVER_NAME_PREFIX)
        .then_some(SolverPath { host, token, service })
}
