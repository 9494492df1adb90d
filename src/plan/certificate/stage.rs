//! The stage of a Certificate and its next step.

use jiff::Timestamp;

use super::{
    CertificateEffect, CertificateObservation, CertificatePlan, DUPLICATE_RECHECK, Notice, Passwords, Violation,
    failure, fallback, in_use, issuance,
    status::{self, go_time},
    unsettled, upkeep,
    view::{Trigger, View, revision_of},
};
use crate::{
    api::{
        condition::{self, ISSUING, READY},
        names::annotation,
    },
    plan::{
        seen::{Next, RequestSeen},
        settings::{Settings, controller},
    },
};

/// Reason of condition and Event if another object uses the Secret.
const SECRET_IN_USE: &str = "SecretInUse";

pub(super) fn step(now: Timestamp, seen: &CertificateObservation, settings: &Settings) -> CertificatePlan {
    let view = View::new(now, seen, settings, seen.certificate.status.revision.unwrap_or(0));
    if let Some(owner) = owner_of_secret(&view) {
        return wait_for_owner(&view, owner);
    }
    let secret = view.seen.secret.as_deref();
    if let Some(conflict) = in_use::conflict(view.meta().name(), view.spec(), secret, &seen.uses) {
        return wait_for_secret(&view, conflict);
    }
    if let Some(plan) = issuance::unfit(&view).or_else(|| issuance::finish(&view)) {
        return plan;
    }
    if let Some(issuing) = condition::get(&view.status().conditions, ISSUING).filter(|issuing| issuing.is_true()) {
        // set by any client; cmctl sets it to renew manually (NB-02)
        let trigger = Violation {
            reason: "ManuallyTriggered",
            message: issuing.message().to_owned(),
        };
        return issuance::advance(&view, &trigger, None, false);
    }
    match view.trigger() {
        // the trigger controller is off: the condition Issuing decides
        Trigger::Now(..) if !settings.controllers.enabled(controller::TRIGGER) => settled(&view, None),
        Trigger::Now(trigger, event) => begin(&view, &trigger, event),
        Trigger::Later(at) => settled(&view, Some(at)),
        Trigger::Never => settled(&view, None),
    }
}

/// Begins an issuance, unless it must wait because of earlier ones.
fn begin(view: &View<'_>, trigger: &Violation, event: Option<Notice>) -> CertificatePlan {
    // counting certificates that did not last must not rest on the index (NB-06)
    if !view.seen.live && (unsettled::is_again(view) || unsettled::waits_until(view).is_some()) {
        return CertificatePlan {
            effects: vec![CertificateEffect::Confirm],
            ..CertificatePlan::nothing(view.status())
        };
    }
    if let Some(until) = unsettled::waits_until(view) {
        return CertificatePlan {
            effects: discard_next_keys(view),
            ..unsettled::hold(view, until)
        };
    }
    if let Some(until) = failure::waits_until(view).filter(|_| !unsettled::is_counted(view)) {
        return back_off(view, until);
    }
    let first = issuance::advance(view, trigger, event, true);
    if unsettled::is_again(view) {
        return unsettled::begin(view, trigger, first);
    }
    first
}

/// Another Certificate to which the target Secret belongs: the one in the Secret's annotation, else the oldest (NB-16).
fn owner_of_secret<'a>(view: &View<'a>) -> Option<&'a str> {
    let rivals = &view.seen.rivals;
    let (name, created) = (view.meta().name(), view.meta().created);
    let annotated = view
        .seen
        .secret
        .as_ref()
        .and_then(|secret| secret.meta.annotations.get(annotation::CERTIFICATE_NAME));
    if annotated == Some(name) {
        return None;
    }
    if let Some(owner) = rivals.iter().find(|rival| annotated == Some(&*rival.name)) {
        return Some(&owner.name);
    }
    let oldest = rivals.iter().min_by_key(|rival| (rival.created, &rival.name))?;
    ((oldest.created, &*oldest.name) < (created, name)).then_some(&*oldest.name)
}

fn wait_for_owner(view: &View<'_>, owner: &str) -> CertificatePlan {
    let secret = &view.spec().secret_name;
    let message = format!(
        "Certificate {owner:?} has the same spec.secretName {secret:?} and takes precedence; change spec.secretName of one of the two"
    );
    let content = view
        .content
        .clone()
        .filter(|violation| violation.reason == "IncorrectCertificate");
    let violation = content.unwrap_or_else(|| Violation::new("IncorrectCertificate", message.clone()));
    let status = status::not_ready(view, violation);
    let next = view.now.checked_add(DUPLICATE_RECHECK).map_or(Next::OnChange, Next::At);
    let event = Notice::warning("DuplicateSecretName", message);
    let news = status::is_news(view.status(), &status).then_some(event);
    CertificatePlan {
        status,
        next,
        events: news.into_iter().collect(),
        ..CertificatePlan::nothing(view.status())
    }
}

/// Another object uses the target Secret: it is not written.
fn wait_for_secret(view: &View<'_>, conflict: String) -> CertificatePlan {
    let status = status::not_ready(view, Violation::new(SECRET_IN_USE, conflict.clone()));
    let event = Notice::warning(SECRET_IN_USE, conflict);
    let news = status::is_news(view.status(), &status).then_some(event);
    CertificatePlan {
        status,
        next: view.now.checked_add(DUPLICATE_RECHECK).map_or(Next::OnChange, Next::At),
        events: news.into_iter().collect(),
        ..CertificatePlan::nothing(view.status())
    }
}

/// No issuance is necessary: clean up.
fn settled(view: &View<'_>, trigger_at: Option<Timestamp>) -> CertificatePlan {
    let fault = view
        .seen
        .secret
        .as_ref()
        .and_then(|secret| upkeep::check(view.seen, secret, view.settings));
    if fault.is_none() && view.content.is_none() && upkeep::wants_keystores_opened(view.seen) {
        return CertificatePlan {
            effects: vec![CertificateEffect::OpenKeystores],
            ..CertificatePlan::nothing(view.status())
        };
    }
    let mut status = status::base(view, None);
    status.next_private_key_secret_name = None;
    fallback::at_rest(&mut status);
    let mut effects = discard_next_keys(view);
    let is_ready = condition::is_true(&status.conditions, READY);
    if is_ready && view.settings.controllers.enabled(controller::REVISION_MANAGER) {
        effects.extend(
            outdated_requests(view).map(|request| CertificateEffect::DeleteRequest(Box::new(request.meta.clone()))),
        );
    }
    let lasts_at = unsettled::settle(&mut status, view);
    let mut events = Vec::new();
    if fault.is_some() && view.content.is_none() {
        match &view.seen.keystore_passwords {
            Passwords::Available => effects.push(CertificateEffect::RepairSecret),
            Passwords::Missing(why) => {
                let note = format!("The Secret cannot be updated: {why}");
                status = status::base(view, Some(&note));
                status.next_private_key_secret_name = None;
                fallback::at_rest(&mut status);
                unsettled::settle(&mut status, view);
                events.push(Notice::warning("KeystorePasswordSecretNotFound", why.clone()));
            }
        }
    }
    issuance::only_news(view, &status, &mut events);
    let next = view.wake(trigger_at);
    CertificatePlan {
        effects,
        next: lasts_at.map_or(next, |at| next.or_at(at)),
        status,
        events,
    }
}

fn back_off(view: &View<'_>, until: Timestamp) -> CertificatePlan {
    let failed = condition::get(&view.status().conditions, ISSUING)
        .map(condition::Condition::message)
        .unwrap_or_default();
    let note = format!("{}. Next attempt at {}", failed.trim_end_matches('.'), go_time(until));
    let mut status = status::base(view, Some(&note));
    status.next_private_key_secret_name = None;
    CertificatePlan {
        effects: discard_next_keys(view),
        status,
        events: Vec::new(),
        next: view.wake(Some(until)),
    }
}

fn discard_next_keys(view: &View<'_>) -> Vec<CertificateEffect> {
    let there = view
        .seen
        .next_keys
        .iter()
        .filter(|secret| secret.meta.deleting.is_none());
    there
        .map(|secret| CertificateEffect::DeleteNextKey(Box::new(secret.meta.clone())))
        .collect()
}

/// Requests of earlier revisions beyond the history limit (LIF-06).
fn outdated_requests<'a>(view: &View<'a>) -> impl Iterator<Item = &'a RequestSeen> {
    let limit = usize::try_from(view.spec().revision_history_limit.unwrap_or(1).max(1)).unwrap_or(1);
    let revision = view.revision;
    let mut past: Vec<(i64, &RequestSeen)> = view
        .owned_requests()
        .filter(|request| request.meta.deleting.is_none())
        .filter_map(|request| revision_of(request).map(|of| (of, request)))
        .filter(|(of, _)| *of <= revision)
        .collect();
    past.sort_by_key(|(of, _)| std::cmp::Reverse(*of));
    past.into_iter().skip(limit).map(|(_, request)| request)
}
