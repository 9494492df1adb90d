//! Issuers and ClusterIssuers: which one is meant and what it signs with, whether it can, and what its status says about that (RDY rows).

mod backend;
mod found;
#[cfg(test)]
mod tests;

pub use backend::{Backend, IssuerType, Reach, SignerSpec, Way};
pub use found::{FoundIssuer, IssuerId, Lookup, secret_of};

use jiff::{SignedDuration, Timestamp};

use crate::api::condition::{self, Condition, ConditionStatus};
use crate::api::issuer::{AcmeIssuerStatus, CaIssuer};
use crate::api::{AcmeIssuer, InvalidField, IssuerStatus};
use crate::pki::{
    certificate::CertificateInfo,
    summary::{PairSummary, Part},
};

use super::{
    notice::Notice,
    rotation::{ROTATING, Rotating},
    seen::Next,
};

/// A condition beside Ready, present only while it is False: the issuer names solvers that certlet does not have.
pub const SOLVERS_SUPPORTED: &str = "SolversSupported";
/// A condition beside Ready, present only while it is True: the CA itself nears its end.
pub const EXPIRING_SOON: &str = "ExpiringSoon";

/// How the message about a CA's key pair that is not there, or none, begins.
const NO_KEY_PAIR: &str = "Error getting keypair for CA issuer: ";

/// The longest before its end that a CA is warned about.
const LONGEST_NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whether an issuer is ready, as its Ready condition says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Ready.
    pub ready: bool,
    /// In one word.
    pub reason: &'static str,
    /// In a sentence; may be empty.
    pub message: String,
}

impl Verdict {
    /// It can sign.
    pub fn ready(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            ready: true,
            reason,
            message: message.into(),
        }
    }

    /// It cannot.
    pub fn not_ready(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            ready: false,
            reason,
            message: message.into(),
        }
    }
}

/// certlet has no signer for issuers of this type.
pub fn not_supported(issuer_type: IssuerType) -> Verdict {
    let field = issuer_type.field();
    Verdict::not_ready(
        "NotSupported",
        format!(
            "certlet cannot sign with {field} issuers yet; use acme, ca or selfSigned, or let cert-manager serve this issuer"
        ),
    )
}

/// The verdict for an object that does not have the shape of an issuer.
pub fn invalid(invalid: &InvalidField) -> Verdict {
    Verdict::not_ready("InvalidSpec", format!("{}: {}", invalid.path, invalid.message))
}

/// RDY-03.
pub fn self_signed() -> Verdict {
    Verdict::ready("IsReady", "")
}

/// RDY-02: what the Secret of a CA issuer holds cannot be signed with.
pub fn ca_not_usable(why: &str) -> Verdict {
    Verdict::not_ready(
        "ErrInvalidKeyPair",
        format!("Error getting keypair for CA issuer: {why}"),
    )
}

/// RDY-02: whether the Secret of a CA issuer holds a CA, and when to look again although nothing changes.
///
/// `pair` is what the Secret holds, `None` where there is no such Secret.
pub fn ca(now: Timestamp, issuer: &CaIssuer, pair: Option<&PairSummary>) -> (Verdict, Next) {
    let name = &issuer.secret_name;
    let missing = |what: &str| Verdict::not_ready("ErrGetKeyPair", format!("{NO_KEY_PAIR}{what}"));
    let wrong = |what: &str| {
        Verdict::not_ready(
            "ErrInvalidKeyPair",
            format!("Error getting keypair for CA issuer: {what}"),
        )
    };
    let Some(pair) = pair else {
        return (missing(&format!("secret {name:?} not found")), Next::OnChange);
    };
    let certificate = match &pair.certificate {
        Part::Missing => {
            return (
                missing(&format!("no data for \"tls.crt\" in secret {name:?}")),
                Next::OnChange,
            );
        }
        Part::Invalid(why) => {
            return (
                missing(&format!("tls.crt of secret {name:?} cannot be read: {why}")),
                Next::OnChange,
            );
        }
        Part::Valid(certificate) => certificate,
    };
    match &pair.key {
        Part::Missing => {
            return (
                missing(&format!("no data for \"tls.key\" in secret {name:?}")),
                Next::OnChange,
            );
        }
        Part::Invalid(why) => {
            return (
                missing(&format!("tls.key of secret {name:?} cannot be read: {why}")),
                Next::OnChange,
            );
        }
        Part::Valid(_) => {}
    }
    if pair.matches() == Some(false) {
        return (
            wrong(&format!(
                "tls.key and tls.crt of secret {name:?} do not belong together"
            )),
            Next::OnChange,
        );
    }
    if !certificate.is_ca {
        return (wrong("certificate is not a CA"), Next::OnChange);
    }
    if certificate.lacks_cert_sign() {
        let what = format!(
            "the key usage of the certificate in secret {name:?} does not allow it to sign certificates (\"cert sign\" is missing)"
        );
        return (wrong(&what), Next::OnChange);
    }
    if now >= certificate.not_after {
        return (
            wrong(&format!(
                "the certificate in secret {name:?} expired at {}",
                certificate.not_after
            )),
            Next::OnChange,
        );
    }
    if now < certificate.not_before {
        let verdict = wrong(&format!(
            "the certificate in secret {name:?} is not valid before {}",
            certificate.not_before
        ));
        return (verdict, Next::At(certificate.not_before));
    }
    let due = [notice_begins(certificate), certificate.not_after].into_iter();
    let next = due.filter(|at| *at > now).fold(Next::OnChange, Next::or_at);
    (Verdict::ready("KeyPairVerified", "Signing CA verified"), next)
}

/// RDY-02: the Secret of a CA issuer may not be read.
pub fn ca_not_read(reason: &str) -> Verdict {
    Verdict::not_ready(
        "ErrGetKeyPair",
        format!("Error getting keypair for CA issuer: {reason}"),
    )
}

/// From when on a CA is warned about: for the last fifth of its lifetime, and 30 days at most. One that is renewed in time, after two thirds
/// of its lifetime, never gets there.
fn notice_begins(ca: &CertificateInfo) -> Timestamp {
    let notice = (ca.not_after.duration_since(ca.not_before) / 5).min(LONGEST_NOTICE);
    ca.not_after.checked_sub(notice).unwrap_or(ca.not_after)
}

/// What to do about a CA that nears its end, in a sentence; `None` while there is time.
pub fn nears_its_end(now: Timestamp, secret: &str, ca: &CertificateInfo) -> Option<String> {
    (notice_begins(ca) <= now).then(|| {
        format!(
            "The CA {:?} in secret {secret:?} is valid only until {}, and no certificate below it is accepted after that: renew the CA and store \
             it in that Secret",
            ca.subject.to_string(),
            ca.not_after
        )
    })
}

/// Which of an ACME issuer's solvers certlet does not have, in a sentence; `None` when it has them all.
pub fn unsupported_solvers(spec: &AcmeIssuer) -> Option<String> {
    let unsupported: Vec<String> = spec
        .solvers
        .iter()
        .enumerate()
        .filter_map(|(index, solver)| {
            let what = match (&solver.dns01, &solver.http01) {
                (Some(_), _) => "dns01",
                (None, Some(http01)) if http01.ingress.is_none() && http01.gateway_http_route.is_some() => {
                    "http01.gatewayHTTPRoute"
                }
                (None, Some(_)) => return None,
                (None, None) => "no solver",
            };
            Some(format!("spec.acme.solvers[{index}] ({what})"))
        })
        .collect();
    let (last, others) = unsupported.split_last()?;
    let named = if others.is_empty() {
        last.clone()
    } else {
        format!("{} and {last}", others.join(", "))
    };
    Some(format!(
        "certlet cannot use {named} yet; names that only such a solver is for cannot be issued, use http01.ingress for them"
    ))
}

/// What the status of an issuer has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Ready; `None` leaves it as it is.
    pub verdict: Option<Verdict>,
    /// `status.acme`; `None` where the issuer is not ACME.
    pub acme: Option<AcmeIssuerStatus>,
    /// The sentence of [`unsupported_solvers`].
    pub unsupported_solvers: Option<String>,
    /// The sentence of [`nears_its_end`].
    pub expiring: Option<String>,
    /// The condition [`ROTATING`]; `None` leaves it as it is.
    pub rotating: Option<Rotating>,
}

/// The status that says what is wanted, made from the one that is there. The same status when that says it already.
pub fn status(now: Timestamp, generation: i64, old: &IssuerStatus, wanted: &Wanted) -> IssuerStatus {
    let mut new = old.clone();
    new.acme.clone_from(&wanted.acme);
    let generation = Some(generation);
    match &wanted.verdict {
        Some(verdict) => condition::set(&mut new.conditions, ready_condition(verdict).observed(generation), now),
        None => {
            if let Some(ready) = new
                .conditions
                .iter_mut()
                .find(|condition| condition.type_ == condition::READY)
            {
                ready.observed_generation = generation;
            }
        }
    }
    let solvers = wanted
        .unsupported_solvers
        .as_ref()
        .map(|sentence| Condition::new(SOLVERS_SUPPORTED, ConditionStatus::False, "UnsupportedSolver", sentence));
    let expiring = wanted
        .expiring
        .as_ref()
        .map(|sentence| Condition::new(EXPIRING_SOON, ConditionStatus::True, "CAExpiresSoon", sentence));
    for (type_, condition) in [(SOLVERS_SUPPORTED, solvers), (EXPIRING_SOON, expiring)] {
        match condition {
            Some(condition) => condition::set(&mut new.conditions, condition.observed(generation), now),
            None => {
                condition::remove(&mut new.conditions, type_);
            }
        }
    }
    if let Some(rotating) = &wanted.rotating {
        if rotating.anew {
            condition::remove(&mut new.conditions, ROTATING);
        }
        let holds = if rotating.lasts {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        };
        let condition = Condition::new(ROTATING, holds, rotating.reason, rotating.message.as_str());
        condition::set(&mut new.conditions, condition.observed(generation), now);
    }
    new
}

/// The Ready condition; an empty message (RDY-03) is written as none.
fn ready_condition(verdict: &Verdict) -> Condition {
    let holds = if verdict.ready {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    let message = Some(verdict.message.clone()).filter(|message| !message.is_empty());
    Condition {
        message,
        ..Condition::new(condition::READY, holds, verdict.reason, "")
    }
}

/// What is told when a status changes (RDY-06).
pub fn news(old: &IssuerStatus, new: &IssuerStatus) -> Vec<Notice> {
    let said = |condition: &Condition| {
        (
            condition.status,
            condition.reason().to_owned(),
            condition.message().to_owned(),
        )
    };
    let both = |type_: &str| [old, new].map(|status| condition::get(&status.conditions, type_));
    let changed = |type_: &str| {
        let [before, after] = both(type_);
        after.filter(|after| before.map(said) != Some(said(after)))
    };
    let ready = changed(condition::READY).map(readiness).unwrap_or_default();
    let solvers = changed(SOLVERS_SUPPORTED).map(|solvers| Notice::warning("UnsupportedSolver", solvers.message()));
    let expiring = changed(EXPIRING_SOON).map(|expiring| Notice::warning("CAExpiresSoon", expiring.message()));
    let [before, after] = both(ROTATING);
    let begun = |condition: &Condition| (condition.status, condition.last_transition_time.clone());
    let rotating = after.filter(|after| before.map(begun) != Some(begun(after)));
    let rotating = rotating.map(|rotating| match (rotating.is_true(), rotating.reason()) {
        (true, _) => Notice::normal("RotationStarted", rotating.message()),
        (false, "Completed") => Notice::normal("RotationCompleted", rotating.message()),
        (false, _) => Notice::warning("RotationStopped", rotating.message()),
    });
    let others = [solvers, expiring, rotating].into_iter().flatten();
    ready.into_iter().chain(others).collect()
}

/// What is told of a Ready condition that changed: under its own reason where cert-manager does so, and as `ErrInitIssuer` (RDY-06). A CA is
/// told of when it is verified, too.
fn readiness(ready: &Condition) -> Vec<Notice> {
    let message = ready.message();
    let named = |reason: &'static str| Notice::warning(reason, message);
    let failed = |cause: &str| Notice::warning("ErrInitIssuer", format!("Error initializing issuer: {cause}"));
    match (ready.is_true(), ready.reason()) {
        (true, "KeyPairVerified") => vec![Notice::normal("KeyPairVerified", message)],
        (true, _) => Vec::new(),
        (false, "ErrGetKeyPair") => vec![
            named("ErrGetKeyPair"),
            failed(message.strip_prefix(NO_KEY_PAIR).unwrap_or(message)),
        ],
        (false, "ErrInvalidKeyPair") => vec![named("ErrInvalidKeyPair")],
        (false, "InvalidURL") => vec![named("InvalidURL")],
        (false, "ErrUpdateACMEAccount") => vec![named("ErrUpdateACMEAccount")],
        (false, _) => vec![failed(message)],
    }
}
