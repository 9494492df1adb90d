//! Decisions about the account of an ACME issuer, and their consequences for the issuer (ACC rows).
//!
//! A valid account causes no request (ACC-04). Otherwise it is looked up by its key, and registered only if the server does not
//! know it. A failure is retried after a back-off; a failure that only an edit can solve is retried after a change.

use jiff::{SignedDuration, Timestamp};

use crate::acme::registration::{Registration, Step};
use crate::acme::url::{replacement_of, same_origin, server_url};
use crate::acme::{Error, Next as AcmeNext};
use crate::api::AcmeIssuer;
use crate::api::issuer::AcmeIssuerStatus;

use super::issuer::IssuerVerdict;
use super::seen::Next;

/// Minimum and maximum back-off after a temporary failure.
const RETRY_FIRST: SignedDuration = SignedDuration::from_secs(5);
const RETRY_LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// The observation of an issuer's account.
#[derive(Clone, Debug)]
pub struct AccountSeen<'a> {
    /// The spec.
    pub spec: &'a AcmeIssuer,
    /// The account in the status.
    pub status: &'a AcmeIssuerStatus,
    /// Whether the issuer is Ready.
    pub ready: bool,
    /// The Secret of the account key.
    pub key: KeySeen<'a>,
    /// What is missing of the Secrets of its DNS-01 solvers, one sentence each.
    pub solvers: &'a [String],
    /// The external account binding.
    pub external: ExternalSeen,
    /// Whether the server reported that it does not know the account.
    pub unknown: bool,
    /// Whether the server confirmed, since this process started, that `status.uri` is the account of the key. It may then have
    /// another origin than the directory.
    pub confirmed: bool,
    /// The last failed attempt, if any.
    pub attempt: Option<&'a Attempt>,
}

/// The content of the Secret with the account key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySeen<'a> {
    /// The Secret does not exist.
    Missing,
    /// The Secret has no usable key. The text is the end of a sentence.
    Unusable(String),
    /// A key, with its hash as in NB-22.
    Usable(&'a str),
}

/// The content of the Secret for external account binding (ACC-08).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalSeen {
    /// The issuer uses no external account binding.
    NotAsked,
    /// It cannot be used. The text is a sentence.
    Unusable(String),
    /// A key, with a digest to detect changes.
    Usable([u8; 32]),
}

/// A failed attempt to verify the account. It is stored in memory, so a restart causes one more attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The input of the attempt. A change of it causes an attempt at once.
    inputs: Inputs,
    /// Number of failures in a row.
    failures: u32,
    /// When to retry; `None` if only a change can help (ACC-10).
    until: Option<Timestamp>,
    /// The verdict about the issuer; `None` leaves the issuer unchanged.
    verdict: Option<IssuerVerdict>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inputs {
    server: String,
    email: String,
    key_hash: String,
    external: ExternalSeen,
}

/// What to do about the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountPlan {
    /// Nothing: it is valid.
    Keep,
    /// Generate a key, then plan again.
    GenerateKey,
    /// Look it up, register it, update its contact; then call [`conclude`].
    Ensure {
        /// The last registered e-mail address of this account.
        known_contact: Option<String>,
    },
    /// Wait: the last attempt failed.
    Wait {
        /// The verdict about the issuer.
        verdict: Option<IssuerVerdict>,
        /// When to retry.
        next: Next,
    },
    /// Wait for an edit.
    Refuse(IssuerVerdict),
}

/// The consequences of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The new `status.acme`.
    pub status: AcmeIssuerStatus,
    /// The Ready condition; `None` leaves it unchanged.
    pub verdict: Option<IssuerVerdict>,
    /// The attempt to store, if it failed.
    pub attempt: Option<Attempt>,
    /// When to reconcile again.
    pub next: Next,
}

type Check = fn(&AccountSeen<'_>) -> Option<AccountPlan>;

/// Checks in order; the first violation decides.
const CHECKS: &[Check] = &[key_missing, key_unusable, solver_unusable, in_order, external_unusable];

/// Decides about the account of an issuer whose settings pass [`check_settings`].
pub fn plan(now: Timestamp, seen: &AccountSeen<'_>) -> AccountPlan {
    if let Some(plan) = CHECKS.iter().find_map(|check| check(seen)) {
        return plan;
    }
    match seen.attempt.filter(|attempt| attempt.inputs == inputs(seen)) {
        Some(Attempt {
            until: None, verdict, ..
        }) => AccountPlan::Wait {
            verdict: verdict.clone(),
            next: Next::OnChange,
        },
        Some(Attempt {
            until: Some(until),
            verdict,
            ..
        }) if *until > now => AccountPlan::Wait {
            verdict: verdict.clone(),
            next: Next::At(*until),
        },
        _ => AccountPlan::Ensure {
            known_contact: known_contact(seen),
        },
    }
}

/// Checks the settings of the issuer, before its account.
///
/// # Errors
/// The verdict: the issuer is not ready until it is edited.
pub fn check_settings(spec: &AcmeIssuer) -> Result<(), IssuerVerdict> {
    [outdated_server, unusable_server]
        .iter()
        .find_map(|check| check(&spec.server))
        .map_or(Ok(()), Err)
}

/// Rejects the endpoints of ACME v1 (ACC-09).
fn outdated_server(server: &str) -> Option<IssuerVerdict> {
    let replacement = replacement_of(server)?;
    Some(IssuerVerdict::not_ready(
        "InvalidConfig",
        format!(
            "Your ACME server URL is set to a v1 endpoint ({server}). You should update the spec.acme.server field to {replacement:?}"
        ),
    ))
}

fn unusable_server(server: &str) -> Option<IssuerVerdict> {
    let error = server_url(server).err()?;
    Some(IssuerVerdict::not_ready(
        "InvalidURL",
        format!("Failed to parse existing ACME server URI {server:?}: {error}"),
    ))
}

/// Decides about a missing key (ACC-01).
fn key_missing(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    if seen.key != KeySeen::Missing {
        return None;
    }
    if seen.spec.disable_account_key_generation != Some(true) {
        return Some(AccountPlan::GenerateKey);
    }
    let message = format!(
        "the ACME issuer config has 'disableAccountKeyGeneration' set to true, but the secret was not found: secret {:?} not found",
        seen.spec.private_key_secret_ref.name
    );
    Some(AccountPlan::Refuse(unverified(&message)))
}

/// Rejects a Secret without a usable key (ACC-02). It is never overwritten, because the key may be in use elsewhere.
fn key_unusable(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    match &seen.key {
        KeySeen::Unusable(reason) => Some(AccountPlan::Refuse(unverified(reason))),
        KeySeen::Missing | KeySeen::Usable(_) => None,
    }
}

/// Rejects DNS-01 solvers whose Secrets are missing, also where the account is valid (ACC-09).
fn solver_unusable(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    let missing = seen.solvers.join("; ");
    (!missing.is_empty()).then(|| AccountPlan::Refuse(IssuerVerdict::not_ready("InvalidSolver", missing)))
}

/// Whether nothing has changed since the registration, so that no request is necessary (ACC-04).
fn in_order(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    let AccountSeen { spec, status, .. } = seen;
    let unchanged = seen.ready
        && status_is_of_this_account(seen)
        && text(status.last_registered_email.as_ref()) == text(spec.email.as_ref());
    unchanged.then_some(AccountPlan::Keep)
}

fn external_unusable(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    match &seen.external {
        ExternalSeen::Unusable(reason) => Some(AccountPlan::Refuse(unregistered(reason))),
        ExternalSeen::NotAsked | ExternalSeen::Usable(_) => None,
    }
}

/// The contact is known only for the account in the status.
fn known_contact(seen: &AccountSeen<'_>) -> Option<String> {
    let same_account = status_is_of_this_account(seen);
    same_account.then(|| text(seen.status.last_registered_email.as_ref()).to_owned())
}

fn status_is_of_this_account(seen: &AccountSeen<'_>) -> bool {
    let AccountSeen {
        spec,
        status,
        key: KeySeen::Usable(hash),
        ..
    } = seen
    else {
        return false;
    };
    !seen.unknown
        && status.last_private_key_hash.as_deref() == Some(*hash)
        && status
            .uri
            .as_deref()
            .is_some_and(|uri| seen.confirmed || same_origin(&spec.server, uri))
}

/// The consequences of an [`AccountPlan::Ensure`].
pub fn conclude(now: Timestamp, seen: &AccountSeen<'_>, outcome: Result<&Registration, &(Step, Error)>) -> Conclusion {
    match outcome {
        Ok(registration) => Conclusion {
            status: AcmeIssuerStatus {
                uri: Some(registration.uri.clone()),
                last_registered_email: seen.spec.email.clone().filter(|email| !email.is_empty()),
                last_private_key_hash: match &seen.key {
                    KeySeen::Usable(hash) => Some((*hash).to_owned()),
                    KeySeen::Missing | KeySeen::Unusable(_) => None,
                },
            },
            verdict: Some(IssuerVerdict::ready(
                "ACMEAccountRegistered",
                "The ACME account was registered with the ACME server",
            )),
            attempt: None,
            next: Next::OnChange,
        },
        Err((step, error)) => failed(now, seen, *step, error),
    }
}

fn failed(now: Timestamp, seen: &AccountSeen<'_>, step: Step, error: &Error) -> Conclusion {
    let inputs = inputs(seen);
    let before = seen
        .attempt
        .filter(|attempt| attempt.inputs == inputs)
        .map_or(0, |attempt| attempt.failures);
    let failures = before.saturating_add(1);
    let soon = now.saturating_add(backoff(failures)).unwrap_or(Timestamp::MAX);
    let until = match error.next(now) {
        AcmeNext::Wait(until) => Some(until.max(soon)),
        AcmeNext::Retry => Some(soon),
        AcmeNext::NewOrder | AcmeNext::UserMustAct => None, // ACC-10
    };
    let verdict = match step {
        // the account itself is valid, so a busy server does not change that
        Step::Update if seen.ready && until.is_some() => None,
        Step::Update => Some(IssuerVerdict::not_ready(
            "ErrUpdateACMEAccount",
            format!("Failed to update ACME account: {error}"),
        )),
        Step::LookUp | Step::Register => Some(unregistered(&error.to_string())),
    };
    let status = if status_is_of_this_account(seen) {
        seen.status.clone()
    } else {
        AcmeIssuerStatus::default()
    }; // ACC-06, ACC-07
    let next = until.map_or(Next::OnChange, Next::At);
    Conclusion {
        status,
        verdict: verdict.clone(),
        attempt: Some(Attempt {
            inputs,
            failures,
            until,
            verdict,
        }),
        next,
    }
}

/// 5 s, 10 s, 20 s … 30 min.
fn backoff(failures: u32) -> SignedDuration {
    let factor = 1_i32
        .checked_shl(failures.saturating_sub(1).min(20))
        .unwrap_or(i32::MAX);
    RETRY_FIRST.saturating_mul(factor).min(RETRY_LONGEST)
}

fn inputs(seen: &AccountSeen<'_>) -> Inputs {
    let key_hash = match &seen.key {
        KeySeen::Usable(hash) => *hash,
        KeySeen::Missing | KeySeen::Unusable(_) => "",
    };
    Inputs {
        server: seen.spec.server.clone(),
        email: text(seen.spec.email.as_ref()).to_owned(),
        key_hash: key_hash.to_owned(),
        external: seen.external.clone(),
    }
}

/// The verdict if the trust settings of the issuer cannot be used.
pub fn unusable_settings(error: &Error) -> IssuerVerdict {
    IssuerVerdict::not_ready("InvalidConfig", error.to_string())
}

/// The verdict about a new issuer that waits in the lane of its server.
pub fn in_line(server: &str) -> IssuerVerdict {
    let message =
        format!("Waiting for the ACME server {server}, which has not answered the requests of other issuers yet");
    IssuerVerdict::not_ready("Pending", message)
}

/// The verdict if the account key could not be stored (ACC-01).
pub fn key_not_stored(reason: &str) -> IssuerVerdict {
    unregistered(reason)
}

/// The verdict if the Secrets of the account cannot be read.
pub fn secrets_not_read(reason: &str) -> IssuerVerdict {
    unverified(reason)
}

fn unverified(reason: &str) -> IssuerVerdict {
    IssuerVerdict::not_ready(
        "ErrVerifyACMEAccount",
        format!("Failed to verify ACME account: {reason}"),
    )
}

fn unregistered(reason: &str) -> IssuerVerdict {
    IssuerVerdict::not_ready(
        "ErrRegisterACMEAccount",
        format!("Failed to register ACME account: {reason}"),
    )
}

fn text(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
