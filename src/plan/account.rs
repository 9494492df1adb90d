//! What to do about the account of an ACME issuer, and what its outcome means for the issuer (ACC rows).
//!
//! An account that is in order is left alone without a request (ACC-04). Otherwise it is looked up by its key and,
//! only if the server does not know it, registered. What failed is not tried again before its time, and what only an
//! edit can cure not before something changed.

use jiff::{SignedDuration, Timestamp};

use crate::acme::registration::{Registration, Step};
use crate::acme::url::{replacement_of, same_origin, server_url};
use crate::acme::{Error, Next as AcmeNext};
use crate::api::AcmeIssuer;
use crate::api::issuer::AcmeIssuerStatus;

use super::issuer::Verdict;
use super::seen::Next;

/// First and longest wait after a failure that may pass by itself.
const RETRY_FIRST: SignedDuration = SignedDuration::from_secs(5);
const RETRY_LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// What is known about an issuer's account.
#[derive(Clone, Debug)]
pub struct AccountSeen<'a> {
    /// What the user asks for.
    pub spec: &'a AcmeIssuer,
    /// What was last written about the account.
    pub status: &'a AcmeIssuerStatus,
    /// Whether the issuer is Ready.
    pub ready: bool,
    /// The account's key.
    pub key: KeySeen<'a>,
    /// The external account binding.
    pub external: ExternalSeen,
    /// The server has said that it does not know the account.
    pub unknown: bool,
    /// The server has said, in this process, that the account at `status.uri` is the key's: then it need not be at the directory's
    /// own origin.
    pub confirmed: bool,
    /// How the last try ended, if it failed.
    pub attempt: Option<&'a Attempt>,
}

/// What the Secret of the account key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySeen<'a> {
    /// There is no such Secret.
    Missing,
    /// The Secret has no usable key; why, as the rest of a sentence.
    Unusable(String),
    /// A key; its hash as NB-22 has it.
    Usable(&'a str),
}

/// What the Secret of the external account binding holds (ACC-08).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalSeen {
    /// The issuer asks for none.
    NotAsked,
    /// It cannot be used; why, as a sentence.
    Unusable(String),
    /// A key; a digest tells whether it changed.
    Usable([u8; 32]),
}

/// A failed try to make sure of the account. Kept in memory: after a restart one more try is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What it was made with: another try is due at once when that changes.
    inputs: Inputs,
    /// How many failed in a row.
    failures: u32,
    /// When the next is due; `None` when only a change can help (ACC-10).
    until: Option<Timestamp>,
    /// What it meant for the issuer; `None` when the issuer stays as it is.
    verdict: Option<Verdict>,
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
    /// It is in order.
    Keep,
    /// Make a key, then plan again.
    GenerateKey,
    /// Look it up, register it, correct its contact; then [`conclude`].
    Ensure {
        /// The e-mail address that was registered last with this account.
        known_contact: Option<String>,
    },
    /// Nothing now: the last try failed.
    Wait {
        /// What that means for the issuer.
        verdict: Option<Verdict>,
        /// When to try again.
        next: Next,
    },
    /// Nothing until something is edited.
    Refuse(Verdict),
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// `status.acme` as it has to be.
    pub status: AcmeIssuerStatus,
    /// The Ready condition; `None` leaves it as it is.
    pub verdict: Option<Verdict>,
    /// What to remember.
    pub attempt: Option<Attempt>,
    /// When to look again.
    pub next: Next,
}

type Check = fn(&AccountSeen<'_>) -> Option<AccountPlan>;

/// In this order; the first that has something to say decides.
const CHECKS: &[Check] = &[key_missing, key_unusable, in_order, external_unusable];

/// What to do about the account of an issuer whose settings pass [`check_settings`].
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

/// What the settings of the issuer refuse by themselves, before its account is looked at.
///
/// # Errors
/// The verdict: the issuer is not ready until it is edited.
pub fn check_settings(spec: &AcmeIssuer) -> Result<(), Verdict> {
    [outdated_server, unusable_server]
        .iter()
        .find_map(|check| check(&spec.server))
        .map_or(Ok(()), Err)
}

/// ACC-09: the endpoints of ACME v1, which Let's Encrypt has closed.
fn outdated_server(server: &str) -> Option<Verdict> {
    let replacement = replacement_of(server)?;
    Some(Verdict::not_ready(
        "InvalidConfig",
        format!(
            "Your ACME server URL is set to a v1 endpoint ({server}). You should update the spec.acme.server field to {replacement:?}"
        ),
    ))
}

fn unusable_server(server: &str) -> Option<Verdict> {
    let error = server_url(server).err()?;
    Some(Verdict::not_ready(
        "InvalidURL",
        format!("Failed to parse existing ACME server URI {server:?}: {error}"),
    ))
}

/// ACC-01.
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

/// ACC-02, and a Secret with something else in it. It is never overwritten: the key may be somebody's.
fn key_unusable(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    match &seen.key {
        KeySeen::Unusable(reason) => Some(AccountPlan::Refuse(unverified(reason))),
        KeySeen::Missing | KeySeen::Usable(_) => None,
    }
}

/// ACC-04: nothing has changed since the account was registered, so the server need not be asked.
fn in_order(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    let AccountSeen { spec, status, .. } = seen;
    let kept = seen.ready
        && status_is_of_this_account(seen)
        && text(status.last_registered_email.as_ref()) == text(spec.email.as_ref());
    kept.then_some(AccountPlan::Keep)
}

fn external_unusable(seen: &AccountSeen<'_>) -> Option<AccountPlan> {
    match &seen.external {
        ExternalSeen::Unusable(reason) => Some(AccountPlan::Refuse(unregistered(reason))),
        ExternalSeen::NotAsked | ExternalSeen::Usable(_) => None,
    }
}

/// The contact is known only of the account that the status is about.
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

/// What the outcome of [`AccountPlan::Ensure`] means.
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
            verdict: Some(Verdict::ready(
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
        // The account itself is known to be good: a server that is busy now does not make it less so.
        Step::Update if seen.ready && until.is_some() => None,
        Step::Update => Some(Verdict::not_ready(
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

/// The verdict when the trust settings of the issuer cannot be used.
pub fn unusable_settings(error: &Error) -> Verdict {
    Verdict::not_ready("InvalidConfig", error.to_string())
}

/// The verdict of an issuer of which nothing else can be said yet: too many others wait for the server's answer.
pub fn in_line(server: &str) -> Verdict {
    let message = format!("Waiting in line to ask the ACME server {server}, which has not answered other issuers yet");
    Verdict::not_ready("Pending", message)
}

/// The verdict when the account key could not be stored, and so was not made (ACC-01).
pub fn key_not_stored(reason: &str) -> Verdict {
    unregistered(reason)
}

/// The verdict when the Secrets of the account may not be read.
pub fn secrets_not_read(reason: &str) -> Verdict {
    unverified(reason)
}

fn unverified(reason: &str) -> Verdict {
    Verdict::not_ready(
        "ErrVerifyACMEAccount",
        format!("Failed to verify ACME account: {reason}"),
    )
}

fn unregistered(reason: &str) -> Verdict {
    Verdict::not_ready(
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
