//! Decisions about polls of renewal information, and the meaning of its answers (RFC 9773, ARI rows).
//!
//! Answers are stored in memory. A Certificate is reconciled only when its window moves. `plan::renewal` decides what a window
//! means for the renewal.

use jiff::{SignedDuration, Timestamp};

use crate::acme::ari::{DEFAULT_INTERVAL, MAX_INTERVAL, MIN_INTERVAL, RenewalInfo, next_poll};
use crate::acme::{Error, Next as AcmeNext};
use crate::api::certificate::RenewalPolicy;
use crate::api::certificate_status::{RenewalInformation, SuggestedWindow};
use crate::api::condition::{self, ISSUING};
use crate::api::names::annotation;
use crate::api::{AcmeIssuer, IssuerRef, acme_issuer::RenewalInformationSource};
use crate::net::RetryAfter;
use crate::pki::certificate::CertificateInfo;

use super::kinds::CertificateKind;
use super::renewal::hash;
use super::seen::{Next, Object, SecretSeen};
use super::settings::Settings;

/// Interval of polls for a server without renewal information.
const UNSUPPORTED_INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// The observation of a certificate and its issuer.
#[derive(Clone, Copy, Debug)]
pub struct AriSeen<'a> {
    /// The Certificate.
    pub certificate: &'a Object<CertificateKind>,
    /// Its target Secret.
    pub secret: Option<&'a SecretSeen>,
    /// Its issuer.
    pub issuer: AriIssuer<'a>,
    /// The stored polls.
    pub record: Option<&'a AriRecord>,
}

/// The issuer of a certificate, reduced to what polls depend on.
#[derive(Clone, Copy, Debug)]
pub enum AriIssuer<'a> {
    /// It does not exist, or is not ready yet.
    Absent,
    /// It is not an ACME server.
    Other,
    /// It is an ACME server.
    Acme(&'a AcmeIssuer),
}

/// The stored polls of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AriRecord {
    /// The certificate: SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// When to poll next.
    pub next: Timestamp,
    /// Number of failed polls in a row.
    pub failures: u32,
    /// The last answer, and the error of later polls. Empty for a server without renewal information.
    pub information: Option<RenewalInformation>,
}

/// Decides about the renewal information of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AriPlan {
    /// Nothing. Forget earlier answers, and plan again at this time or after a change.
    Forget(Next),
    /// Store this, and plan again at its time.
    Expect(AriRecord),
    /// No poll is possible. Store this, and report the reason if it is new.
    Refuse {
        /// What to store.
        record: AriRecord,
        /// The reason.
        warning: Option<String>,
    },
    /// Nothing until this time.
    Wait(Timestamp),
    /// Poll the server; then call [`conclude`].
    Ask {
        /// The identifier of the certificate at the server (RFC 9773 section 4.1).
        certificate_id: String,
    },
}

/// Decides about the renewal information of one certificate.
pub fn plan(now: Timestamp, seen: &AriSeen<'_>, settings: &Settings) -> AriPlan {
    let later = || AriPlan::Forget(Next::At(now.saturating_add(DEFAULT_INTERVAL).unwrap_or(Timestamp::MAX)));
    let never = AriPlan::Forget(Next::OnChange);
    if !settings.gates.ari || !wants_renewal(seen.certificate) {
        return never;
    }
    match seen.issuer {
        AriIssuer::Other => return never,
        AriIssuer::Absent => return later(),
        AriIssuer::Acme(issuer) if issuer.renewal_information_source == Some(RenewalInformationSource::None) => {
            return later();
        }
        AriIssuer::Acme(_) => {}
    }
    let found = seen.secret.and_then(|secret| {
        let leaf = leaf_of(secret)?;
        Some((issuer_of(secret), leaf, leaf.ari_id()?))
    });
    let Some((issuer, leaf, certificate_id)) = found else {
        return never;
    };
    if leaf.not_after <= now || issuer.name.is_empty() {
        return never;
    }
    if !issuer.means_same(&seen.certificate.spec.issuer_ref) {
        return foreign(now, seen, leaf, &issuer);
    }
    match seen.record.filter(|record| record.fingerprint == leaf.fingerprint) {
        None => AriPlan::Expect(AriRecord {
            fingerprint: leaf.fingerprint,
            next: first_poll(now, &seen.certificate.meta.uid, leaf, fixed(settings)),
            failures: 0,
            information: None,
        }),
        Some(record) if record.next > now => AriPlan::Wait(record.next),
        Some(_) => AriPlan::Ask { certificate_id },
    }
}

fn wants_renewal(certificate: &Object<CertificateKind>) -> bool {
    let policy = certificate.spec.renewal.as_ref().and_then(|renewal| renewal.policy);
    certificate.meta.deleting.is_none()
        && policy != Some(RenewalPolicy::Disabled)
        && !condition::is_true(&certificate.status.conditions, ISSUING)
}

/// The issuer of the certificate in the Secret, by its annotations.
fn issuer_of(secret: &SecretSeen) -> IssuerRef {
    let value = |key| secret.meta.annotations.get(key).map(str::to_owned);
    IssuerRef {
        name: value(annotation::ISSUER_NAME).unwrap_or_default(),
        kind: value(annotation::ISSUER_KIND),
        group: value(annotation::ISSUER_GROUP),
    }
}

/// A certificate of another issuer is not polled (MST-05), because the CA does not know it. This is reported once.
fn foreign(now: Timestamp, seen: &AriSeen<'_>, leaf: &CertificateInfo, issuer: &IssuerRef) -> AriPlan {
    let known = seen.record.filter(|record| record.fingerprint == leaf.fingerprint);
    if let Some(record) = known.filter(|record| record.next > now) {
        return AriPlan::Wait(record.next);
    }
    let wanted = &seen.certificate.spec.issuer_ref;
    let warning = format!(
        "Could not fetch ACME Renewal Information: the certificate in Secret {:?} was issued by {issuer}, not by {wanted}",
        seen.certificate.spec.secret_name
    );
    AriPlan::Refuse {
        record: AriRecord {
            fingerprint: leaf.fingerprint,
            next: now.saturating_add(DEFAULT_INTERVAL).unwrap_or(Timestamp::MAX),
            failures: 0,
            information: None,
        },
        warning: known.is_none().then_some(warning),
    }
}

fn leaf_of(secret: &SecretSeen) -> Option<&CertificateInfo> {
    secret.pair.certificate.valid().map(|leaf| &**leaf)
}

/// Spreads the first polls over an hour, so that a start or a batch of new certificates does not cause a batch of requests. The
/// nearer the expiry, the earlier; the uid decides within that.
fn first_poll(now: Timestamp, uid: &str, leaf: &CertificateInfo, fixed: Option<SignedDuration>) -> Timestamp {
    let spread = fixed.unwrap_or(MIN_INTERVAL).as_millis().max(0);
    let lifetime = leaf.not_before.duration_until(leaf.not_after).as_millis().max(1);
    let left = now.duration_until(leaf.not_after).as_millis().clamp(0, lifetime);
    let by_uid = i128::from(hash(&[uid.as_bytes()]) >> 33); // below 2^31
    let offset = (spread * left / lifetime).midpoint((spread * by_uid) >> 31);
    let offset = SignedDuration::from_millis(i64::try_from(offset).unwrap_or_default());
    now.saturating_add(offset).unwrap_or(Timestamp::MAX)
}

/// The interval from the administrator's flag.
pub fn fixed(settings: &Settings) -> Option<SignedDuration> {
    settings
        .ari_minimum_interval
        .and_then(|interval| SignedDuration::try_from(interval).ok())
}

/// The consequences of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AriConclusion {
    /// What to store.
    pub record: AriRecord,
    /// Whether the window, its explanation, or the error changed, so that the Certificate must be reconciled.
    pub changed: bool,
    /// The error to report, once per series of failures (ARI-06).
    pub warning: Option<String>,
}

/// The consequences of an [`AriPlan::Ask`]. `before` is the state that was planned from.
pub fn conclude(
    now: Timestamp,
    before: &AriRecord,
    outcome: Result<(&RenewalInfo, Option<RetryAfter>), &Error>,
    fixed: Option<SignedDuration>,
) -> AriConclusion {
    match outcome {
        Ok((info, retry_after)) => {
            let next = next_poll(now, retry_after, fixed);
            let information = information(now, next, info);
            let changed = differs(before, &information);
            let record = AriRecord {
                fingerprint: before.fingerprint,
                next,
                failures: 0,
                information: Some(information),
            };
            AriConclusion {
                record,
                changed,
                warning: None,
            }
        }
        Err(error) => {
            let failures = before.failures.saturating_add(1);
            let next = after_failure(now, error, failures, fixed);
            let unsupported = matches!(error, Error::Unsupported { .. }); // ARI-04
            let information = if unsupported {
                RenewalInformation::default()
            } else {
                RenewalInformation {
                    last_checked: Some(condition::whole_second(now)),
                    last_error: Some(error.to_string()),
                    next_check: Some(condition::whole_second(next)),
                    ..before.information.clone().unwrap_or_default()
                }
            };
            let warning =
                (failures == 1 && !unsupported).then(|| format!("Could not fetch ACME Renewal Information: {error}"));
            AriConclusion {
                changed: differs(before, &information),
                record: AriRecord {
                    fingerprint: before.fingerprint,
                    next,
                    failures,
                    information: Some(information),
                },
                warning,
            }
        }
    }
}

/// Whether the information differs, apart from the times of polls.
fn differs(before: &AriRecord, now: &RenewalInformation) -> bool {
    let content = |information: &RenewalInformation| {
        let RenewalInformation {
            explanation_url,
            last_checked: _,
            last_error,
            next_check: _,
            suggested_window,
        } = information;
        (explanation_url.clone(), last_error.clone(), suggested_window.clone())
    };
    content(&before.information.clone().unwrap_or_default()) != content(now)
}

fn information(now: Timestamp, next: Timestamp, info: &RenewalInfo) -> RenewalInformation {
    let time = condition::whole_second;
    RenewalInformation {
        explanation_url: info.explanation_url.clone(),
        last_checked: Some(time(now)),
        last_error: None,
        next_check: Some(time(next)),
        suggested_window: Some(SuggestedWindow {
            start: time(info.window.start),
            end: time(info.window.end),
        }),
    }
}

/// Back-off: 1 h, 2 h, 4 h, then 6 h; longer if the server requests it (RFC 9773 section 4.3).
fn after_failure(now: Timestamp, error: &Error, failures: u32, fixed: Option<SignedDuration>) -> Timestamp {
    let ladder = MIN_INTERVAL
        .saturating_mul(1 << failures.saturating_sub(1).min(8))
        .min(DEFAULT_INTERVAL);
    let interval = match (fixed, error) {
        (Some(fixed), _) => fixed,
        (None, Error::Unsupported { .. }) => UNSUPPORTED_INTERVAL,
        (None, _) => match error.next(now) {
            AcmeNext::Wait(until) => now.duration_until(until).clamp(ladder, MAX_INTERVAL),
            AcmeNext::Retry | AcmeNext::NewOrder | AcmeNext::UserMustAct => ladder,
        },
    };
    now.saturating_add(interval).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "ari_tests.rs"]
mod tests;
