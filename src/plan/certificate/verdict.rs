//! Whether the rules of a Certificate ask for another certificate: the checks of the planner, for people who inspect its Secret.

use jiff::Timestamp;

use super::{
    CertificateObservation, FallbackSeen, IssuerState, KeystoresSeen, Made, Passwords, Violation,
    view::{Trigger, View},
};
use crate::{
    api::condition::{self, ISSUING},
    plan::{
        issuer::Reach,
        kinds::CertificateKind,
        rotation::Share,
        seen::{Object, RequestSeen, SecretSeen},
        settings::Settings,
    },
};

/// What the rules of a Certificate ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A certificate is being issued. The text is the message of the condition Issuing.
    Issuing(String),
    /// A new certificate now, for this reason.
    Reissue(Violation),
    /// The certificate stays until it is renewed at this time.
    Renew(Timestamp),
    /// The certificate stays.
    Keep,
}

/// An observation of a Certificate and its Secret only: the issuer, keystores, and other users of the Secret count as in order.
pub fn of_secret(
    certificate: Object<CertificateKind>,
    secret: Option<SecretSeen>,
    requests: Vec<RequestSeen>,
) -> CertificateObservation {
    CertificateObservation {
        certificate,
        secret: secret.map(Into::into),
        next_keys: Vec::new(),
        strange_next_keys: Vec::new(),
        requests: requests.into_iter().map(Into::into).collect(),
        rivals: Vec::new(),
        uses: Vec::new(),
        issuer: IssuerState::Ready(Reach::Later),
        fallback: FallbackSeen::default(),
        keystore_passwords: Passwords::Available,
        keystores: KeystoresSeen::Unopened,
        renewal_information: None,
        obstacle: None,
        rotation: Share::default(),
        live: true,
        made: Made::Nothing,
    }
}

/// What the rules ask for. A change of the Secret by another client counts at once, without the planner's delay.
pub fn verdict(now: Timestamp, seen: &CertificateObservation, settings: &Settings) -> Verdict {
    let view = View::new(now, seen, settings, seen.certificate.status.revision.unwrap_or(0));
    if let Some(issuing) = condition::get(&view.status().conditions, ISSUING).filter(|issuing| issuing.is_true()) {
        return Verdict::Issuing(issuing.message().to_owned());
    }
    if let Some(violation) = view.content.clone() {
        return Verdict::Reissue(violation);
    }
    match view.trigger() {
        Trigger::Now(violation, _) => Verdict::Reissue(violation),
        Trigger::Later(at) => Verdict::Renew(at),
        Trigger::Never => Verdict::Keep,
    }
}
