//! The steps of an issuance: key, request, certificate (LIF-02 to LIF-04).

mod keys;
mod requests;

use super::{
    Effect, InvalidSpec, IssuerState, KeySource, Made, Notice, Plan, Seen, Violation, failure::Failure,
    fitness::request_fault, matching::key_differences, status, validation, view::View,
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

/// Before any check: if the Secret holds exactly the certificate of a Ready request of the next revision, and its key, then only
/// the status is left to write.
///
/// What this reconcile has stored counts too: somebody may have changed the Secret meanwhile.
pub(super) fn finish(view: &View<'_>) -> Option<Plan> {
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
    let events = vec![Notice::normal(
        "Issuing",
        "The certificate has been successfully issued",
    )];
    Some(Plan {
        status,
        events,
        ..Plan::nothing(view.status())
    })
}

/// What was issued is not fit to be stored: the issuance has failed.
pub(super) fn unfit(view: &View<'_>) -> Option<Plan> {
    let Made::Unfit(name, Violation { reason, message }) = &view.seen.made else {
        return None;
    };
    let request = view.next_requests().find(|request| request.meta.key.name == *name)?;
    let failure = Failure {
        reason: (*reason).to_owned(),
        message: message.clone(),
        at: view.now,
    };
    // One that asks for something else would look as if the spec had been edited since.
    let differs = request_fault(request, view.spec()).is_some() && request.meta.deleting.is_none();
    let effects = differs.then(|| Effect::DeleteRequest(Box::new(request.meta.clone())));
    Some(Plan {
        effects: effects.into_iter().collect(),
        ..failed(view, &failure)
    })
}

/// The next step of an issuance that is under way, or (`fresh`) the first.
pub(super) fn advance(view: &View<'_>, trigger: &Violation, event: Option<Notice>, fresh: bool) -> Plan {
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
                // the Secret may hold a key to keep, and be in no index
                Some(_) if !view.seen.live => Plan {
                    effects: vec![Effect::Confirm],
                    ..Plan::nothing(view.status())
                },
                Some(invalid) => refused(view, &invalid),
                None => draft.without_key(source),
            }
        }
        Key::Refused(event) => draft.stuck(event),
    }
}

/// The request has failed for good: wait, and try again later.
fn failed(view: &View<'_>, failure: &Failure) -> Plan {
    let message = format!(
        "The certificate request has failed to complete and will be retried: {}",
        failure.message
    );
    let mut status = status::base(view, None);
    status::set_failed(&mut status, view, &failure.reason, &message, failure.at);
    Plan {
        status,
        events: vec![Notice::warning(failure.reason.clone(), message)],
        ..Plan::nothing(view.status())
    }
}

/// The spec has to be corrected first.
fn refused(view: &View<'_>, invalid: &InvalidSpec) -> Plan {
    let violation = Violation::new(status::INVALID_SPEC, invalid.to_string());
    let status = status::not_ready(view, violation);
    Plan {
        events: status::events_of_invalid(view.status(), &status, invalid),
        status,
        next: view.wake(None),
        ..Plan::nothing(view.status())
    }
}

/// Why the next issuance will be refused of a Certificate that needs none now.
pub(super) fn refused_later(seen: &Seen) -> Option<InvalidSpec> {
    let spec = &seen.certificate.spec;
    let policy = spec
        .private_key
        .as_ref()
        .and_then(|key| key.rotation_policy)
        .unwrap_or_default();
    let kept = seen.secret.as_ref().filter(|_| policy == RotationPolicy::Never);
    let fits = kept
        .and_then(|secret| secret.pair.key.valid())
        .is_some_and(|key| key_differences(key.spec, spec).is_empty());
    validation::unmakeable_key(spec).filter(|_| !fits)
}

/// What is being put together.
struct Draft<'v, 'a> {
    view: &'v View<'a>,
    trigger: &'v Violation,
    effects: Vec<Effect>,
    events: Vec<Notice>,
}

impl Draft<'_, '_> {
    /// Nothing can be done until somebody changes something.
    fn stuck(mut self, event: Notice) -> Plan {
        let note = event.message.clone();
        self.events.push(event);
        self.held_up(&note)
    }

    fn held_up(mut self, note: &str) -> Plan {
        let view = self.view;
        let mut status = status::base(view, Some(note));
        if condition::is_true(&status.conditions, condition::ISSUING) {
            only_news(view, &status, &mut self.events);
            return Plan {
                effects: Vec::new(),
                status,
                events: self.events,
                next: view.wake(None),
            };
        }
        let next_key = view.status().next_private_key_secret_name.clone();
        status::set_issuing(&mut status, view, self.trigger, next_key.as_deref().unwrap_or_default());
        status.next_private_key_secret_name = next_key;
        Plan {
            effects: Vec::new(),
            status,
            events: self.events,
            next: view.wake(None),
        }
    }

    /// The request is on its way: somebody else's turn.
    fn waiting(self, secret: &SecretSeen) -> Plan {
        let note = self.note();
        let mut status = status::base(self.view, note.as_deref());
        status::set_issuing(&mut status, self.view, self.trigger, secret.meta.name());
        self.plan(status)
    }

    fn waiting_for_nothing(self) -> Plan {
        let status = self.view.status().clone();
        self.plan(status)
    }

    fn plan(mut self, status: CertificateStatus) -> Plan {
        if self.effects.is_empty() {
            only_news(self.view, &status, &mut self.events);
        }
        Plan {
            effects: self.effects,
            next: self.view.wake(None),
            status,
            events: self.events,
        }
    }

    /// What holds the issuance up, in one sentence, where something is wrong.
    fn note(&self) -> Option<String> {
        let view = self.view;
        let reference = &view.spec().issuer_ref;
        let (kind, name) = (reference.kind_or_default(), &reference.name);
        match &view.seen.issuer {
            IssuerState::Missing if kind == "Issuer" => {
                return Some(format!(
                    "{kind} {name:?} does not exist in namespace {:?}",
                    view.meta().namespace()
                ));
            }
            IssuerState::Missing => return Some(format!("{kind} {name:?} does not exist")),
            IssuerState::NotReady(why) => return Some(format!("{kind} {name:?} is not ready: {why}")),
            IssuerState::Ready(_) | IssuerState::External => {}
        }
        let waits = view
            .unapproved()
            .filter(|request| !view.settings.controllers.approver() || view.is_lasting(request.meta.created));
        let approval =
            waits.map(|request| format!("CertificateRequest {:?} is waiting for approval", request.meta.name()));
        view.lasting_obstacle().or(approval)
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

/// Events of a plan that does nothing are told once: when the status they go with is new.
pub(super) fn only_news(view: &View<'_>, status: &CertificateStatus, events: &mut Vec<Notice>) {
    if status == view.status() {
        events.clear();
    }
}
