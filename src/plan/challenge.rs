//! Challenge objects: they show an Order's proofs to people and their tools. certlet reads no decision from them.

use serde::Serialize;

use crate::{
    api::{
        IssuerRef, Solver,
        challenge::{ChallengeSpec, ChallengeStatus, ChallengeType},
        condition::whole_second,
        names::{CHALLENGE_FINALIZER, LEGACY_CHALLENGE_FINALIZER},
        order::State,
    },
    plan::{
        kinds::ChallengeKind,
        notice::Notice,
        object_name::{fnv1, prefix},
        order::proof::Proof,
        seen::{Meta, Object},
    },
};

/// How many characters of a Challenge's name come from the Order's name (ORD-12).
const NAME_LIMIT: usize = 52;

/// The name of the Challenge with `spec` of the Order named `order` (ORD-12). It is the same as cert-manager's, if the
/// JSON of the solver has the same order of fields.
pub fn name(order: &str, spec: &ChallengeSpec) -> String {
    let ChallengeSpec {
        authorization_url,
        dns_name,
        issuer_ref,
        key: _,
        solver,
        token,
        type_,
        url,
        wildcard,
    } = spec;
    let hashed = Hashed {
        url,
        authorization_url,
        dns_name,
        wildcard: wildcard.unwrap_or(false),
        type_: *type_,
        token,
        // cert-manager computes the name before the key
        key: "",
        solver,
        issuer_ref: IssuerJson {
            name: &issuer_ref.name,
            kind: issuer_ref.kind.as_deref(),
            group: issuer_ref.group.as_deref(),
        },
    };
    let json = serde_json::to_vec(&hashed).unwrap_or_default();
    format!("{}-{}", prefix(order, NAME_LIMIT), fnv1(&json))
}

/// A Challenge's spec as cert-manager hashes it: fields in Go's order.
#[derive(Serialize)]
struct Hashed<'a> {
    url: &'a str,
    #[serde(rename = "authorizationURL")]
    authorization_url: &'a str,
    #[serde(rename = "dnsName")]
    dns_name: &'a str,
    wildcard: bool,
    #[serde(rename = "type")]
    type_: ChallengeType,
    token: &'a str,
    key: &'a str,
    solver: &'a Solver,
    #[serde(rename = "issuerRef")]
    issuer_ref: IssuerJson<'a>,
}

#[derive(Serialize)]
struct IssuerJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

/// The Challenge that an authorization needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The Challenge's spec.
    pub spec: ChallengeSpec,
}

impl Wanted {
    /// Whether `challenge` is the Challenge for this proof: all fields that decide about the proof are equal.
    pub fn is_mirrored_by(&self, challenge: &Object<ChallengeKind>) -> bool {
        let ChallengeSpec {
            authorization_url,
            dns_name,
            issuer_ref,
            key,
            solver: _,
            token,
            type_,
            url,
            wildcard: _,
        } = &challenge.spec;
        let wanted = &self.spec;
        *authorization_url == wanted.authorization_url
            && *dns_name == wanted.dns_name
            && *key == wanted.key
            && *token == wanted.token
            && *type_ == wanted.type_
            && *url == wanted.url
            && *issuer_ref == wanted.issuer_ref
    }
}

/// The offer for one identifier, from the CA's authorization and the issuer's solver.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer<'a> {
    /// URL of the authorization.
    pub authorization: &'a str,
    /// The name, without the `*.` of a wildcard.
    pub identifier: &'a str,
    /// Whether it is for the wildcard of the name.
    pub wildcard: bool,
    /// URL of the challenge.
    pub url: &'a str,
    /// Its token.
    pub token: &'a str,
    /// What the CA has to find.
    pub proof: &'a Proof,
    /// The solver, with overrides (ANO-02).
    pub solver: &'a Solver,
}

/// The Challenge for an offer (ORD-07).
pub fn wanted(offer: &Offer<'_>, issuer_ref: &IssuerRef) -> Wanted {
    let Offer {
        authorization,
        identifier,
        wildcard,
        url,
        token,
        proof,
        solver,
    } = *offer;
    Wanted {
        spec: ChallengeSpec {
            authorization_url: authorization.to_owned(),
            dns_name: identifier.to_owned(),
            issuer_ref: issuer_ref.clone(),
            key: proof.key().to_owned(),
            solver: solver.clone(),
            token: token.to_owned(),
            type_: proof.challenge_type(),
            url: url.to_owned(),
            wildcard: Some(wildcard),
        },
    }
}

/// The other finalizers, if a finalizer of cert-manager keeps this Challenge from being deleted (ORD-11, NB-35).
pub fn finalizers_to_release(meta: &Meta) -> Option<Vec<String>> {
    let is_ours = |name: &str| name == CHALLENGE_FINALIZER || name == LEGACY_CHALLENGE_FINALIZER;
    meta.finalizers.iter().any(|name| is_ours(name)).then(|| {
        meta.finalizers
            .iter()
            .filter(|name| !is_ours(name))
            .map(ToString::to_string)
            .collect()
    })
}

/// The progress of a proof, for the status of its Challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Presented, and not decided. With the finding that keeps it from being accepted.
    InFlight(Option<&'a str>),
    /// Not presented, with the obstacle.
    NotPresented(&'a str),
    /// Valid.
    Proved,
    /// Invalid, or its order ended before it was validated.
    Ended(State, Option<&'a str>),
}

/// The next status of a Challenge. `written` is the current one (ORD-08, ORD-09, ACH-06).
pub fn status(written: &ChallengeStatus, progress: Progress<'_>, now: jiff::Timestamp) -> ChallengeStatus {
    let shown_since = || written.presented_at.clone().unwrap_or_else(|| whole_second(now));
    let ended = |state, reason: Option<String>| ChallengeStatus {
        presented: Some(false),
        presented_at: written.presented_at.clone(),
        processing: Some(false),
        reason,
        state: Some(state),
    };
    match progress {
        Progress::InFlight(reason) => ChallengeStatus {
            presented: Some(true),
            presented_at: Some(shown_since()),
            processing: Some(true),
            reason: reason.map(str::to_owned),
            state: Some(State::Pending),
        },
        Progress::NotPresented(reason) => ChallengeStatus {
            presented: Some(false),
            presented_at: None,
            processing: Some(true),
            reason: Some(reason.to_owned()),
            state: Some(State::Pending),
        },
        Progress::Proved => ended(State::Valid, Some("Successfully authorized domain".to_owned())),
        Progress::Ended(state, reason) => ended(state, reason.map(str::to_owned).or_else(|| written.reason.clone())),
    }
}

/// The reason of a Challenge that the CA would not see yet, with the finding (ORD-09).
pub fn waiting(challenge_type: ChallengeType, finding: &str) -> String {
    format!("{WAITING}{challenge_type}{PROPAGATION}{finding}")
}

/// Whether a reason is one of [`waiting`], whatever the type.
pub fn is_waiting(reason: &str) -> bool {
    let of_type = reason
        .strip_prefix(WAITING)
        .and_then(|rest| rest.split_once(PROPAGATION));
    of_type.is_some_and(|(of_type, _)| of_type.parse::<ChallengeType>().is_ok())
}

const WAITING: &str = "Waiting for ";
const PROPAGATION: &str = " challenge propagation: ";

/// The notice for a Challenge whose status becomes `after`: for a failure, and once for each finding.
pub fn notice(before: &ChallengeStatus, after: &ChallengeStatus) -> Option<Notice> {
    let reason = after.reason.as_deref()?;
    let failed = |status: &ChallengeStatus| status.state.is_some_and(State::is_failure);
    if failed(after) {
        let why = reason.trim_start_matches("Error accepting authorization: ");
        let message = format!("Accepting challenge authorization failed: {why}");
        return (!failed(before)).then(|| Notice::warning("Failed", message));
    }
    let is_news = before.reason.as_deref() != Some(reason);
    (is_news && is_waiting(reason)).then(|| Notice::warning("WaitingForPropagation", reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::http01::{Http01, Http01Ingress};

    fn stuck() -> ChallengeSpec {
        let ingress = Http01Ingress {
            ingress_class_name: Some("traefik".into()),
            ..Http01Ingress::default()
        };
        let http01 = Http01 {
            ingress: Some(ingress),
            ..Http01::default()
        };
        ChallengeSpec {
            authorization_url: "https://10.99.0.1:14000/authZ/iErL12JbpH75bek9__HdV671jrrr069h4t4OFSsokEo".into(),
            dns_name: "stuck.takeover.example.com".into(),
            issuer_ref: IssuerRef {
                name: "letsencrypt-takeover".into(),
                kind: Some("ClusterIssuer".into()),
                group: None,
            },
            key: "V0AhQFufbqsRbH4Fplqe7APxLMFVG0sJFvG391il1AU.Rz5vwTzKJRSjIk0IQIr2DUAbbKJkxFIYlus-Hrq6fyE".into(),
            solver: Solver {
                http01: Some(http01),
                ..Solver::default()
            },
            token: "V0AhQFufbqsRbH4Fplqe7APxLMFVG0sJFvG391il1AU".into(),
            type_: ChallengeType::Http01,
            url: "https://10.99.0.1:14000/chalZ/yctB_U9K8EnvhHLGkXsuHdEn5X9nHCNHIlo_rDOpIqU".into(),
            wildcard: Some(false),
        }
    }

    #[test]
    fn a_challenge_has_the_name_that_cert_manager_gave_it() {
        assert_eq!(name("stuck-1-3413279115", &stuck()), "stuck-1-3413279115-3065315941");
    }

    #[test]
    fn a_long_name_is_cut_and_ends_in_a_letter_or_digit() {
        let long = format!("{}.-{}", "a".repeat(50), "b".repeat(50));
        assert!(name(&long, &stuck()).starts_with(&format!("{}-", "a".repeat(50))));
        assert!(name(&"x".repeat(200), &stuck()).len() <= 63);
    }

    #[test]
    fn presented_at_is_written_once_and_in_whole_seconds() {
        let now: jiff::Timestamp = "2026-11-21T06:03:16.789Z".parse().expect("a time");
        let first = status(&ChallengeStatus::default(), Progress::InFlight(None), now);
        assert_eq!(
            first.presented_at.as_ref().map(|time| time.0.to_string()),
            Some("2026-11-21T06:03:16Z".into())
        );
        let later = status(&first, Progress::InFlight(None), jiff::Timestamp::MAX);
        assert_eq!(later, first);
    }

    fn waiting(finding: &str) -> ChallengeStatus {
        let reason = super::waiting(ChallengeType::Http01, finding);
        status(
            &ChallengeStatus::default(),
            Progress::InFlight(Some(&reason)),
            jiff::Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_finding_is_told_once_until_another_one_is_made() {
        let shown = status(
            &ChallengeStatus::default(),
            Progress::InFlight(None),
            jiff::Timestamp::UNIX_EPOCH,
        );
        let refused = waiting("192.0.2.7 refuses the connection");
        let reported = notice(&shown, &refused).expect("somebody should look");
        assert_eq!(
            (reported.is_warning(), &*reported.reason),
            (true, "WaitingForPropagation")
        );
        assert_eq!(Some(reported.message), refused.reason);
        assert_eq!(notice(&refused, &refused), None);
        assert!(notice(&refused, &waiting("it does not exist (NXDOMAIN)")).is_some());
        assert_eq!(notice(&refused, &shown), None);
    }

    #[test]
    fn a_failure_is_told_once_and_nothing_of_what_goes_well() {
        let refused = waiting("192.0.2.7 refuses the connection");
        let error = Some("Error accepting authorization: 403");
        let failed = status(
            &refused,
            Progress::Ended(State::Invalid, error),
            jiff::Timestamp::UNIX_EPOCH,
        );
        let reported = notice(&refused, &failed).expect("somebody should look");
        assert_eq!((reported.is_warning(), &*reported.reason), (true, "Failed"));
        assert_eq!(reported.message, "Accepting challenge authorization failed: 403");
        assert_eq!(notice(&failed, &failed), None);
        let proved = status(&refused, Progress::Proved, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(notice(&refused, &proved), None);
    }
}
