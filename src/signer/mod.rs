//! How a `CertificateRequest` becomes a certificate: a [`Signer`] is asked, and answers with an [`Outcome`].
//!
//! | module | what it is |
//! |---|---|
//! | [`ca`] | signing with a key pair from a Secret, and whether that pair can be used |
//! | [`selfsigned`] | signing with the requester's own key |
//! | [`outcome`] | what a signer answers |
//! | [`temporary`] | what is served until the real certificate is there |
//!
//! Nothing here reads a clock or knows the cluster: `now` is an argument, whoever makes a signer has read what it signs with, and an answer
//! has the reason and message that go into the request's Ready condition. ACME is no signer: an Order is followed by a planner.

pub mod ca;
pub mod outcome;
#[cfg(test)]
pub mod scripted;
pub mod selfsigned;
pub mod temporary;

#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};

pub use outcome::{Memo, Outcome, Refused, Until, Wait};

use crate::pki::Error;
use crate::pki::csr::CsrInfo;
use crate::pki::key::{KeySpec, PrivateKey};
use crate::pki::sign::{Validity, random_serial};
use crate::pki::usage::{Usage, UsageSet};

/// What signs the requests of an issuer, with everything that it signs with. One arm for each type of issuer that signs.
#[derive(Clone, Debug)]
pub enum Signer {
    /// A CA whose key pair was in a Secret.
    Ca {
        /// The key pair.
        authority: Arc<ca::CertificateAuthority>,
        /// What the issuer wants in its certificates.
        urls: ca::Urls,
        /// What happens to a leaf that would outlive the CA.
        outliving: ca::Outliving,
    },
    /// The request's own key.
    SelfSigned {
        /// The key.
        key: Arc<PrivateKey>,
        /// Where the issuer wants revocation lists to be found.
        crl_distribution_points: Vec<String>,
    },
    /// A server that only tests have.
    #[cfg(test)]
    Scripted(Arc<scripted::Scripted>),
}

/// Where a signer does its work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place<'a> {
    /// In this process: it costs time, but needs nobody.
    Here,
    /// On this server, which may never answer. Any text that tells servers apart.
    Server(&'a str),
}

impl Signer {
    /// Where it does its work.
    pub fn place(&self) -> Place<'_> {
        self.surroundings().0
    }

    /// The annotation of a request that keeps this signer's memo; `None` for a signer that has none.
    pub fn memo_annotation(&self) -> Option<&'static str> {
        self.surroundings().1
    }

    #[allow(
        clippy::match_same_arms,
        reason = "an arm for each signer: who adds one answers for it"
    )]
    fn surroundings(&self) -> (Place<'_>, Option<&'static str>) {
        match self {
            Self::Ca { .. } => (Place::Here, None),
            Self::SelfSigned { .. } => (Place::Here, None),
            #[cfg(test)]
            Self::Scripted(scripted) => (Place::Server(&scripted.server), Some(scripted::Scripted::ANNOTATION)),
        }
    }

    /// Signs. What costs more than a moment is done on a thread of its own.
    pub async fn sign(self, task: Task, now: Timestamp) -> Outcome {
        match self {
            Self::Ca {
                authority,
                urls,
                outliving,
            } => {
                let slow = is_slow(authority.info().key_spec);
                let sign = move || authority.sign(&task.request(), &urls, outliving, now, serial()?);
                apart(slow, sign).await
            }
            Self::SelfSigned {
                key,
                crl_distribution_points,
            } => {
                let slow = is_slow(Some(key.spec()));
                let sign = move || selfsigned::sign(&task.request(), &key, &crl_distribution_points, now, serial()?);
                apart(slow, sign).await
            }
            #[cfg(test)]
            Self::Scripted(scripted) => scripted.sign(&task, now).await,
        }
    }
}

/// Whether a signature with such a key costs milliseconds.
fn is_slow(key: Option<KeySpec>) -> bool {
    key.is_none_or(KeySpec::is_slow)
}

/// Runs `sign` here, or where slow work does not hold up others.
async fn apart(slow: bool, sign: impl FnOnce() -> Result<Issued, Refusal> + Send + 'static) -> Outcome {
    if !slow {
        return sign().into();
    }
    let signed = tokio::task::spawn_blocking(sign).await;
    let ended = |_| Err(interrupted("signing was interrupted and is tried again".to_owned()));
    signed.unwrap_or_else(ended).into()
}

/// A random one: without it there is no certificate, for now.
fn serial() -> Result<[u8; 16], Refusal> {
    random_serial().map_err(|error| interrupted(error.to_string()))
}

fn interrupted(message: String) -> Refusal {
    Refusal::pending(INTERRUPTED, message)
}

/// A request that is to be signed, owned, so that it can be taken to another thread.
#[derive(Clone, Debug)]
pub struct Task {
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
    /// What the signer wanted to be reminded of.
    pub memo: Option<Memo>,
}

impl Task {
    /// The same, borrowed, for who signs here.
    pub fn request(&self) -> Request<'_> {
        Request {
            csr: &self.csr,
            usages: &self.usages,
            is_ca: self.is_ca,
            adds_cert_sign: self.adds_cert_sign,
            duration: self.duration,
        }
    }
}

/// What is asked of a signer: the relevant parts of a `CertificateRequest`.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `spec.request`: the CSR in PEM.
    pub csr: &'a [u8],
    /// `spec.usages`; empty means the defaults.
    pub usages: &'a [Usage],
    /// `spec.isCA`.
    pub is_ca: bool,
    /// Whether a CA gets `cert sign` without asking for it: from a `CertificateRequest` (CRT-16), not from a request of Kubernetes' own kind
    /// (CSR-05).
    pub adds_cert_sign: bool,
    /// `spec.duration`, the default of 90 days applied.
    pub duration: SignedDuration,
}

/// A certificate that was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    /// `status.certificate`: the chain as PEM, leaf first, without the root.
    pub certificate: Vec<u8>,
    /// `status.ca`: the root, or the topmost certificate that is known.
    pub ca: Vec<u8>,
    /// What the requester should know although it worked.
    pub warnings: Vec<Warning>,
}

/// Something that is worth an event or a part of a message, but no failure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// In CamelCase, as an event's reason.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// Why there is no certificate, found out here: what goes into the Ready condition of the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Whether waiting can help.
    pub kind: RefusalKind,
    /// The reason of the event (SGN-01, SGN-02); the condition's reason is that of [`RefusalKind`].
    pub reason: &'static str,
    /// The message of condition and event.
    pub message: String,
}

/// Whether a refusal is for good; `Display` is the reason in the Ready condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalKind {
    /// Try again when the Secret changes.
    Pending,
    /// The request can never be signed; the next one may.
    Failed,
}

impl Refusal {
    /// Whether nobody will tell when trying again makes sense: the API server did not answer.
    pub fn is_unanswered(&self) -> bool {
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

/// Reason of a refusal that is nobody's fault: signing is tried again.
pub const INTERRUPTED: &str = "SigningInterrupted";

/// Whether a refusal with this reason is for want of an answer, see [`Refusal::is_unanswered`].
pub fn is_unanswered(reason: &str) -> bool {
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

/// Reads the CSR of a request and compares what it says of usages and of being a CA with the request's own fields. A CSR that says
/// nothing about them agrees with everything. Purposes that the API has no word for cannot be in the request's fields: those of the CSR go
/// into the certificate (CRQ-03, VAL-31).
///
/// # Errors
/// [`Error::Request`] and others of [`CsrInfo::parse`]; the sentence says what differs.
pub fn checked_csr(request: &Request<'_>) -> Result<(CsrInfo, UsageSet), Error> {
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

/// From this second on, for as long as was asked.
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
