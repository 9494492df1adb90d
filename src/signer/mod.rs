//! Signing of `CertificateRequest`s: a [`Signer`] signs, and returns an [`Outcome`].
//!
//! | module | content |
//! |---|---|
//! | [`ca`] | signing with a key pair from a Secret, and whether that pair can be used |
//! | [`selfsigned`] | signing with the key of the requester |
//! | [`outcome`] | the result of a signer |
//! | [`temporary`] | temporary certificates |
//! | [`vault`] | signing by Vault or `OpenBao` |
//! | [`venafi`] | signing by `CyberArk` Certificate Manager, once Venafi |
//! | [`fault`], [`standing`] | why the server of a signer does not sign, and what is known of it |
//!
//! Nothing here reads the clock or the cluster: `now` is an argument, and the caller has read what a signer needs. An outcome
//! contains the reason and the message of the request's Ready condition. ACME is not a signer: a planner follows the Order.

pub(crate) mod ca;
pub(crate) mod fault;
pub(crate) mod outcome;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod selfsigned;
mod standing;
pub(crate) mod temporary;
pub(crate) mod vault;
pub(crate) mod venafi;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};

pub(crate) use outcome::{Memo, Outcome, Refused, Until, Wait};
pub(crate) use standing::Checked;

use crate::api::names::annotation;
use crate::pki::Error;
use crate::pki::csr::CsrInfo;
use crate::pki::key::{KeySpec, PrivateKey};
use crate::pki::sign::{Validity, random_serial};
use crate::pki::usage::{Usage, UsageSet};
use crate::work::SHORT;

/// A signer with everything that it needs. One variant for each type of issuer that signs.
#[derive(Clone, Debug)]
pub(crate) enum Signer {
    /// A CA whose key pair was in a Secret.
    Ca {
        /// The key pair.
        authority: Arc<ca::CertificateAuthority>,
        /// The issuer's URLs for its certificates.
        urls: ca::Urls,
        /// How to treat a leaf that would outlive the CA.
        outliving: ca::Outliving,
    },
    /// The request's own key.
    SelfSigned {
        /// The key.
        key: Arc<PrivateKey>,
        /// CRL distribution points of the issuer.
        crl_distribution_points: Vec<String>,
    },
    /// Vault, or `OpenBao`.
    Vault {
        /// The server, the login and the path.
        session: Arc<vault::Session>,
        /// Whether a missing root is read from the mount.
        with_root: bool,
    },
    /// `CyberArk` Certificate Manager, once Venafi.
    Venafi {
        /// The server, the credential and the zone.
        session: Arc<venafi::Session>,
        /// The custom fields of the request.
        fields: Vec<venafi::CustomField>,
    },
    /// A server for tests.
    #[cfg(test)]
    Scripted(Arc<scripted::Scripted>),
}

/// Where a signer works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place<'a> {
    /// In this process.
    Here,
    /// On a server, which may be slow. The text identifies the server.
    Server(&'a str),
}

impl Signer {
    /// Where the signer works.
    pub(crate) fn place(&self) -> Place<'_> {
        self.surroundings().0
    }

    /// The annotation of a request with this signer's memo; `None` for a signer without memos.
    pub(crate) fn memo_annotation(&self) -> Option<&'static str> {
        self.surroundings().1
    }

    #[allow(
        clippy::match_same_arms,
        reason = "one arm per signer, so that a new one must be added here"
    )]
    fn surroundings(&self) -> (Place<'_>, Option<&'static str>) {
        match self {
            Self::Ca { .. } => (Place::Here, None),
            Self::SelfSigned { .. } => (Place::Here, None),
            Self::Vault { session, .. } => (Place::Server(session.lane()), None),
            Self::Venafi { session, .. } => (Place::Server(session.lane()), Some(annotation::VENAFI_PICKUP_ID)),
            #[cfg(test)]
            Self::Scripted(scripted) => (Place::Server(&scripted.server), Some(scripted::Scripted::ANNOTATION)),
        }
    }

    /// Signs. Long computations run on a blocking thread.
    pub(crate) async fn sign(self, task: Task, now: Timestamp) -> Outcome {
        match self {
            Self::Ca {
                authority,
                urls,
                outliving,
            } => {
                let slow = is_slow(authority.info().key_spec);
                let sign = move || authority.sign(&task.request(), &urls, outliving, now, serial()?);
                signed(slow, sign).await
            }
            Self::SelfSigned {
                key,
                crl_distribution_points,
            } => {
                let slow = is_slow(Some(key.spec()));
                let sign = move || selfsigned::sign(&task.request(), &key, &crl_distribution_points, now, serial()?);
                signed(slow, sign).await
            }
            Self::Vault { session, with_root } => session.sign(&task, with_root, now).await,
            Self::Venafi { session, fields } => session.sign(&task, &fields, now).await,
            #[cfg(test)]
            Self::Scripted(scripted) => scripted.sign(&task, now).await,
        }
    }
}

/// Whether a signature with such a key takes milliseconds.
fn is_slow(key: Option<KeySpec>) -> bool {
    key.is_none_or(KeySpec::is_slow)
}

/// Runs `sign`, on a thread for short work if it is slow.
async fn signed(slow: bool, sign: impl FnOnce() -> Result<Issued, Refusal> + Send + 'static) -> Outcome {
    let ended = |_| Err(interrupted("signing was interrupted and is retried".to_owned()));
    SHORT.run_if(slow, sign).await.unwrap_or_else(ended).into()
}

/// A random serial. Without one, the refusal is temporary.
fn serial() -> Result<[u8; 16], Refusal> {
    random_serial().map_err(|error| interrupted(error.to_string()))
}

fn interrupted(message: String) -> Refusal {
    Refusal::pending(INTERRUPTED, message)
}

/// A request to sign, owned, so that it can be moved to another thread.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// `spec.request`: the CSR in PEM.
    pub csr: Box<[u8]>,
    /// `spec.usages`; empty means the defaults.
    pub usages: Vec<Usage>,
    /// `spec.isCA`.
    pub is_ca: bool,
    /// See [`Request::adds_cert_sign`].
    pub adds_cert_sign: bool,
    /// `spec.duration`, the default of 90 days applied.
    pub duration: SignedDuration,
    /// The signer's memo from an earlier call.
    pub memo: Option<Memo>,
}

impl Task {
    /// The same, borrowed, for signers in this process.
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            csr: &self.csr,
            usages: &self.usages,
            is_ca: self.is_ca,
            adds_cert_sign: self.adds_cert_sign,
            duration: self.duration,
        }
    }
}

/// The parts of a `CertificateRequest` that a signer needs.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// `spec.request`: the CSR in PEM.
    pub csr: &'a [u8],
    /// `spec.usages`; empty means the defaults.
    pub usages: &'a [Usage],
    /// `spec.isCA`.
    pub is_ca: bool,
    /// Whether a CA gets the usage `cert sign` implicitly: for a `CertificateRequest` (CRT-16), but not for a Kubernetes CSR
    /// (CSR-05).
    pub adds_cert_sign: bool,
    /// `spec.duration`, the default of 90 days applied.
    pub duration: SignedDuration,
}

/// A signed certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Issued {
    /// `status.certificate`: the chain as PEM, leaf first, without the root.
    pub certificate: Vec<u8>,
    /// `status.ca`: the root, or the topmost known certificate.
    pub ca: Vec<u8>,
    /// Warnings for the requester.
    pub warnings: Vec<Warning>,
}

/// A warning about a signed certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Warning {
    /// Reason of the Event, in CamelCase.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// Why a request was not signed: the content of its Ready condition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// Whether it is permanent.
    pub kind: RefusalKind,
    /// Reason of the Event (SGN-01, SGN-02). The reason of the condition is that of [`RefusalKind`].
    pub reason: &'static str,
    /// Message of condition and Event.
    pub message: String,
}

/// Whether a refusal is permanent. `Display` is the reason of the Ready condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RefusalKind {
    /// Retry when the Secret changes.
    Pending,
    /// The request can never be signed; a new request may be.
    Failed,
}

impl Refusal {
    /// Whether no notification will tell when to retry, because the API server did not answer.
    pub(crate) fn is_unanswered(&self) -> bool {
        is_unanswered(self.reason)
    }

    pub(crate) fn pending(reason: &'static str, message: String) -> Self {
        Self {
            kind: RefusalKind::Pending,
            reason,
            message,
        }
    }

    pub(crate) fn failed(reason: &'static str, message: String) -> Self {
        Self {
            kind: RefusalKind::Failed,
            reason,
            message,
        }
    }
}

/// Reason of a refusal with an internal cause: signing is retried.
pub(crate) const INTERRUPTED: &str = "SigningInterrupted";

/// Whether a refusal with this reason is due to a missing answer, see [`Refusal::is_unanswered`].
pub(crate) fn is_unanswered(reason: &str) -> bool {
    [ca::NOT_READ, selfsigned::NOT_READ, INTERRUPTED].contains(&reason)
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::Failed => "Failed",
        })
    }
}

/// Parses the CSR of a request and compares its usages and `isCA` with the fields of the request. A CSR without them matches any
/// fields. Extended key usages for which the API has no name cannot be in the fields; those of the CSR are used (CRQ-03, VAL-31).
///
/// # Errors
/// [`Error::Request`], and errors of [`CsrInfo::parse`]. The sentence names the difference.
pub(crate) fn checked_csr(request: &Request<'_>) -> Result<(CsrInfo, UsageSet), Error> {
    let csr = CsrInfo::parse(request.csr)?;
    let usages = UsageSet::new(request.usages, request.is_ca && request.adds_cert_sign);
    if let Some(is_ca) = csr.is_ca().filter(|is_ca| *is_ca != request.is_ca) {
        return Err(Error::Request(format!(
            "encoded CSR error: IsCA {is_ca} does not match expected value {}",
            request.is_ca
        )));
    }
    let Some(asked) = &csr.usages else {
        return Ok((csr, usages));
    };
    if asked.known() != usages {
        return Err(Error::Request(format!(
            "encoded CSR error: the usages {} do not match the expected usages {}",
            list(asked),
            list(&usages)
        )));
    }
    let usages = usages.with_unknown_of(asked);
    Ok((csr, usages))
}

/// The validity of the requested duration, from this second on.
fn validity(now: Timestamp, duration: SignedDuration) -> Result<Validity, Error> {
    let too_long = |_| {
        Error::Signing(format!(
            "a certificate cannot be valid for {} hours",
            duration.as_hours()
        ))
    };
    let not_before = Timestamp::from_second(now.as_second()).map_err(too_long)?;
    let not_after = not_before
        .checked_add(SignedDuration::from_secs(duration.as_secs()))
        .map_err(too_long)?;
    if not_after <= not_before {
        return Err(Error::Signing(
            "a certificate must be valid for at least a second".into(),
        ));
    }
    Ok(Validity { not_before, not_after })
}

fn list(usages: &UsageSet) -> String {
    let known = usages.usages().into_iter().map(|usage| format!("'{usage}'"));
    let unknown = usages.unknown_purposes().into_iter().map(|oid| format!("'{oid}'"));
    format!("[ {} ]", known.chain(unknown).collect::<Vec<_>>().join(", "))
}
