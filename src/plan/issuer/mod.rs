//! Decisions about Issuers and ClusterIssuers: their identity and type, and their status (RDY rows).

mod backend;
mod found;
#[cfg(test)]
mod tests;
mod vault;
mod venafi;

pub use backend::{Backend, IssuerType, Reach, SignerSpec, Way};
pub use found::{FoundIssuer, IssuerId, Lookup, secret_of};
pub use vault::{vault_not_usable, vault_settings, vault_verified};
pub use venafi::{venafi_denied, venafi_not_usable, venafi_started};

use jiff::{SignedDuration, Timestamp};

use crate::api::condition::{self, Condition, ConditionStatus};
use crate::api::http01::Routing;
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
    settings::GatewaySettings,
};

/// A condition that is present while it is False: the issuer has solvers that certlet does not support.
pub const SOLVERS_SUPPORTED: &str = "SolversSupported";
/// A condition that is present while it is True: the CA expires soon.
pub const EXPIRING_SOON: &str = "ExpiringSoon";

/// The beginning of the message about a missing or unusable key pair of a CA.
const NO_KEY_PAIR: &str = "Error getting keypair for CA issuer: ";

/// Maximum time before its expiry at which a CA causes a warning.
const LONGEST_NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The Ready condition of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerVerdict {
    /// Its status.
    pub ready: bool,
    /// The reason.
    pub reason: &'static str,
    /// The message, which may be empty.
    pub message: String,
}

impl IssuerVerdict {
    /// It can sign.
    pub fn ready(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            ready: true,
            reason,
            message: message.into(),
        }
    }

    /// It cannot sign.
    pub fn not_ready(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            ready: false,
            reason,
            message: message.into(),
        }
    }
}

/// The verdict about an object whose spec cannot be decoded.
pub fn invalid(invalid: &InvalidField) -> IssuerVerdict {
    IssuerVerdict::not_ready("InvalidSpec", format!("{}: {}", invalid.path, invalid.message))
}

/// The verdict about a SelfSigned issuer (RDY-03).
pub fn self_signed() -> IssuerVerdict {
    IssuerVerdict::ready("IsReady", "")
}

/// The verdict about an unusable key pair in the Secret of a CA issuer (RDY-02).
pub fn ca_not_usable(why: &str) -> IssuerVerdict {
    IssuerVerdict::not_ready(
        "ErrInvalidKeyPair",
        format!("Error getting keypair for CA issuer: {why}"),
    )
}

/// The verdict about a CA issuer (RDY-02), and when to check again without a change.
///
/// `pair` is the content of the Secret; `None` if the Secret does not exist.
pub fn ca(now: Timestamp, issuer: &CaIssuer, pair: Option<&PairSummary>) -> (IssuerVerdict, Next) {
    let name = &issuer.secret_name;
    let missing = |what: &str| IssuerVerdict::not_ready("ErrGetKeyPair", format!("{NO_KEY_PAIR}{what}"));
    let wrong = |what: &str| {
        IssuerVerdict::not_ready(
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
                missing(&format!("tls.crt of secret {name:?} cannot be parsed: {why}")),
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
                missing(&format!("tls.key of secret {name:?} cannot be parsed: {why}")),
                Next::OnChange,
            );
        }
        Part::Valid(_) => {}
    }
    if pair.matches() == Some(false) {
        return (
            wrong(&format!("tls.key and tls.crt of secret {name:?} do not match")),
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
    (IssuerVerdict::ready("KeyPairVerified", "Signing CA verified"), next)
}

/// The verdict if the Secret of a CA issuer cannot be read (RDY-02).
pub fn ca_not_read(reason: &str) -> IssuerVerdict {
    IssuerVerdict::not_ready(
        "ErrGetKeyPair",
        format!("Error getting keypair for CA issuer: {reason}"),
    )
}

/// When the warning about a CA begins: in the last fifth of its lifetime, 30 days at most. A CA that is renewed after two thirds
/// of its lifetime never causes it.
fn notice_begins(ca: &CertificateInfo) -> Timestamp {
    let notice = (ca.not_after.duration_since(ca.not_before) / 5).min(LONGEST_NOTICE);
    ca.not_after.checked_sub(notice).unwrap_or(ca.not_after)
}

/// What to do about a CA that expires soon, as a sentence; `None` if it does not.
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

/// The solvers of an ACME issuer that certlet does not support, or not with these settings, as a sentence; `None` if it supports all.
pub fn unsupported_solvers(spec: &AcmeIssuer, gateway: &GatewaySettings) -> Option<String> {
    let (mut unsupported, mut switched_off) = (Vec::new(), Vec::new());
    for (index, solver) in spec.solvers.iter().enumerate() {
        let name = |what: &str| format!("spec.acme.solvers[{index}] ({what})");
        match (&solver.dns01, &solver.http01) {
            (Some(dns01), _) => unsupported.extend(dns01.unsupported().map(name)),
            (None, Some(http01)) => match http01.routing() {
                Some(Routing::HttpRoute(_)) if !gateway.enabled => switched_off.push(name("http01.gatewayHTTPRoute")),
                Some(Routing::HttpRoute(_) | Routing::Ingress(_)) | None => {}
            },
            (None, None) => unsupported.push(name("no solver")),
        }
    }
    let unsupported = listed(&unsupported).map(|named| {
        format!(
            "certlet does not support {named} yet; use http01.ingress or dns01.rfc2136 for the names that only such a solver covers"
        )
    });
    let switched_off =
        listed(&switched_off).map(|named| format!("for {named}, certlet has to be started with --enable-gateway-api"));
    let sentences: Vec<String> = unsupported.into_iter().chain(switched_off).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

/// A list as part of a sentence; `None` if it is empty.
fn listed(names: &[String]) -> Option<String> {
    let (last, others) = names.split_last()?;
    Some(if others.is_empty() {
        last.clone()
    } else {
        format!("{} and {last}", others.join(", "))
    })
}

/// The wanted status of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedStatus {
    /// Ready; `None` leaves it unchanged.
    pub verdict: Option<IssuerVerdict>,
    /// `status.acme`; `None` if the issuer is not ACME.
    pub acme: Option<AcmeIssuerStatus>,
    /// The sentence of [`unsupported_solvers`].
    pub unsupported_solvers: Option<String>,
    /// The sentence of [`nears_its_end`].
    pub expiring: Option<String>,
    /// The condition [`ROTATING`]; `None` leaves it unchanged.
    pub rotating: Option<Rotating>,
}

/// The wanted status as a change of the current one. It is equal if nothing changes.
pub fn status(now: Timestamp, generation: i64, old: &IssuerStatus, wanted: &WantedStatus) -> IssuerStatus {
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

/// The Ready condition. An empty message (RDY-03) is omitted.
fn ready_condition(verdict: &IssuerVerdict) -> Condition {
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

/// The Events for a changed status (RDY-06).
pub fn news(old: &IssuerStatus, new: &IssuerStatus) -> Vec<Notice> {
    let report = |condition: &Condition| {
        (
            condition.status,
            condition.reason().to_owned(),
            condition.message().to_owned(),
        )
    };
    let both = |type_: &str| [old, new].map(|status| condition::get(&status.conditions, type_));
    let changed = |type_: &str| {
        let [before, after] = both(type_);
        after.filter(|after| before.map(report) != Some(report(after)))
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

/// The Events for a changed Ready condition: with its own reason where cert-manager has one, and as `ErrInitIssuer` (RDY-06). A
/// verified CA is reported, too, and an issuer of Venafi that can sign (RDY-05).
fn readiness(ready: &Condition) -> Vec<Notice> {
    let message = ready.message();
    let named = |reason: &'static str| Notice::warning(reason, message);
    let failed = |cause: &str| Notice::warning("ErrInitIssuer", format!("Error initializing issuer: {cause}"));
    match (ready.is_true(), ready.reason()) {
        (true, "KeyPairVerified") => vec![Notice::normal("KeyPairVerified", message)],
        (true, venafi::STARTED) => vec![Notice::normal(
            "Ready",
            "Verified issuer with Certificate Manager server",
        )],
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
