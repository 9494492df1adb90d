//! The steps of an issuance: key, request, certificate (LIF-02 to LIF-04).

mod keys;
mod requests;

use super::{
    CertificateEffect, CertificateObservation, CertificatePlan, InvalidSpec, KeySource, Made, Notice, Violation,
    failure::Failure, fallback, fitness::request_fault, matching::key_differences, status, validation, view::View,
};
use crate::{
    api::{
        CertificateStatus,
        condition::{self, READY},
        key::RotationPolicy,
    },
    plan::seen::{RequestSeen, SecretSeen},
};
use keys::Key;

/// The first check: if the Secret holds exactly the certificate and key of a Ready request of the next revision, only the status
/// must be written.
///
/// A certificate that this reconcile has stored counts, too, because another client may have changed the Secret meanwhile.
pub(super) fn finish(view: &View<'_>) -> Option<CertificatePlan> {
    let pair = view.seen.secret.as_ref().map(|secret| &secret.pair);
    let stored = pair.filter(|pair| pair.matches() == Some(true));
    let stored = stored
        .and_then(|pair| pair.certificate.valid())
        .map(|leaf| leaf.fingerprint);
    let issued = |request: &&RequestSeen| {
        let leaf = request
            .certificate
            .as_ref()
            .and_then(|issued| issued.leaf.as_ref().ok());
        let ours = matches!(&view.seen.made, Made::Stored(name) if **name == *request.meta.key.name);
        request.is_true(READY) && leaf.is_some() && (ours || leaf == stored.as_ref())
    };
    view.next_requests().find(issued)?;
    let issued = View::new(view.now, view.seen, view.settings, view.next_revision());
    let mut status = status::base(&issued, None);
    status::set_issued(&mut status, issued.revision, view.now);
    fallback::settle_issued(&issued, &mut status);
    let events = vec![Notice::normal(
        "Issuing",
        "The certificate has been successfully issued",
    )];
    Some(CertificatePlan {
        status,
        events,
        ..CertificatePlan::nothing(view.status())
    })
}

/// The issued certificate cannot be stored: the issuance has failed.
pub(super) fn unfit(view: &View<'_>) -> Option<CertificatePlan> {
    let Made::Unfit(name, Violation { reason, message }) = &view.seen.made else {
        return None;
    };
    let request = view.next_requests().find(|request| request.meta.key.name == *name)?;
    let failure = Failure {
        reason: (*reason).to_owned(),
        message: message.clone(),
        at: view.now,
    };
    // a request for something else would look like an edit of the spec
    let differs =
        request_fault(request, view.spec(), view.expected_issuer(request)).is_some() && request.meta.deleting.is_none();
    let effects = differs.then(|| CertificateEffect::DeleteRequest(Box::new(request.meta.clone())));
    Some(CertificatePlan {
        effects: effects.into_iter().collect(),
        ..failed(view, &failure)
    })
}

/// The next step of an issuance in progress, or (`fresh`) the first step.
pub(super) fn advance(view: &View<'_>, trigger: &Violation, event: Option<Notice>, fresh: bool) -> CertificatePlan {
    if let Some(invalid) = validation::check(view.spec(), view.settings) {
        return refused(view, &invalid);
    }
    let mut draft = Draft {
        view,
        trigger,
        effects: Vec::new(),
        events: Vec::new(),
    };
    if fresh {
        draft.events.extend(event);
        draft.events.push(Notice::normal("Issuing", trigger.message.clone()));
    }
    match draft.choose_key() {
        Key::Stored(secret, key) => draft.with_key(&secret, key),
        Key::Wanted(source) => {
            let unmakeable = validation::unmakeable_key(view.spec()).filter(|_| source == KeySource::New);
            match unmakeable {
                // the Secret may hold a key to reuse and not be in the index
                Some(_) if !view.seen.live => CertificatePlan {
                    effects: vec![CertificateEffect::Confirm],
                    ..CertificatePlan::nothing(view.status())
                },
                Some(invalid) => refused(view, &invalid),
                None => draft.without_key(source),
            }
        }
        Key::Refused(event) => draft.stuck(event),
    }
}

/// The request has failed permanently: back off and retry.
fn failed(view: &View<'_>, failure: &Failure) -> CertificatePlan {
    let message = format!(
        "The certificate request has failed to complete and will be retried: {}",
        failure.message
    );
    let mut status = status::base(view, None);
    status::set_failed(&mut status, view, &failure.reason, &message, failure.at);
    CertificatePlan {
        status,
        events: vec![Notice::warning(failure.reason.clone(), message)],
        ..CertificatePlan::nothing(view.status())
    }
}

/// The spec is invalid.
fn refused(view: &View<'_>, invalid: &InvalidSpec) -> CertificatePlan {
    let violation = Violation::new(status::INVALID_SPEC, invalid.to_string());
    let status = status::not_ready(view, violation);
    CertificatePlan {
        events: status::events_of_invalid(view.status(), &status, invalid),
        status,
        next: view.wake(None),
        ..CertificatePlan::nothing(view.status())
    }
}

/// Why the next issuance will fail, for a Certificate that needs none now.
pub(super) fn refused_later(seen: &CertificateObservation) -> Option<InvalidSpec> {
    let spec = &seen.certificate.spec;
    let policy = spec
        .private_key
        .as_ref()
        .and_then(|key| key.rotation_policy)
        .unwrap_or_default();
    let reused = seen.secret.as_ref().filter(|_| policy == RotationPolicy::Never);
    let fits = reused
        .and_then(|secret| secret.pair.key.valid())
        .is_some_and(|key| key_differences(key.spec, spec).is_empty());
    validation::unmakeable_key(spec).filter(|_| !fits)
}

/// The parts of a plan.
struct Draft<'v, 'a> {
    view: &'v View<'a>,
    trigger: &'v Violation,
    effects: Vec<CertificateEffect>,
    events: Vec<Notice>,
}

impl Draft<'_, '_> {
    /// Waits for an edit.
    fn stuck(mut self, event: Notice) -> CertificatePlan {
        let note = event.message.clone();
        self.events.push(event);
        self.held_up(&note)
    }

    fn held_up(mut self, note: &str) -> CertificatePlan {
        let view = self.view;
        let mut status = status::base(view, Some(note));
        if condition::is_true(&status.conditions, condition::ISSUING) {
            only_news(view, &status, &mut self.events);
            return CertificatePlan {
                effects: Vec::new(),
                status,
                events: self.events,
                next: view.wake(None),
            };
        }
        let next_key = view.status().next_private_key_secret_name.clone();
        status::set_issuing(&mut status, view, self.trigger, next_key.as_deref().unwrap_or_default());
        status.next_private_key_secret_name = next_key;
        CertificatePlan {
            effects: Vec::new(),
            status,
            events: self.events,
            next: view.wake(None),
        }
    }

    /// Waits for the request.
    fn waiting(self, secret: &SecretSeen) -> CertificatePlan {
        let note = self.note();
        let mut status = status::base(self.view, note.as_deref());
        status::set_issuing(&mut status, self.view, self.trigger, secret.meta.name());
        self.plan(status)
    }

    fn waiting_for_nothing(self) -> CertificatePlan {
        let status = self.view.status().clone();
        self.plan(status)
    }

    fn plan(mut self, status: CertificateStatus) -> CertificatePlan {
        if self.effects.is_empty() {
            only_news(self.view, &status, &mut self.events);
        }
        CertificatePlan {
            effects: self.effects,
            next: self.view.wake(None),
            status,
            events: self.events,
        }
    }

    /// What blocks the issuance, as a sentence, if something is wrong.
    fn note(&self) -> Option<String> {
        let notes = [self.obstacle(), fallback::note(self.view)].into_iter().flatten();
        notes.reduce(|one, other| format!("{}. {other}", one.trim_end_matches('.')))
    }

    fn obstacle(&self) -> Option<String> {
        let view = self.view;
        let of_issuer = view.issuer().obstacle(view.wanted(), view.meta().namespace());
        let waits = view
            .unapproved()
            .filter(|request| !view.settings.controllers.approver() || view.is_lasting(request.meta.created));
        let approval =
            waits.map(|request| format!("CertificateRequest {:?} is waiting for approval", request.meta.name()));
        of_issuer.or_else(|| view.lasting_obstacle()).or(approval)
    }

    fn take(&mut self) -> Self {
        Draft {
            view: self.view,
            trigger: self.trigger,
            effects: std::mem::take(&mut self.effects),
            events: std::mem::take(&mut self.events),
        }
    }
}

/// Drops the events of a plan without effects, unless its status is new.
pub(super) fn only_news(view: &View<'_>, status: &CertificateStatus, events: &mut Vec<Notice>) {
    if status == view.status() {
        events.clear();
    }
}
