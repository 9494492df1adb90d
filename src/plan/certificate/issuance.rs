//! The steps of an issuance: key, request, certificate (LIF-02 to LIF-04).

use std::sync::Arc;

use super::{
    Effect, IssuerState, KeySource, Passwords, Plan, PlannedEvent, Violation, checks,
    failure::{self, Failure},
    matching::{key_differences, request_differences},
    names, request,
    stage::{View, revision_of},
    status, validation,
};
use crate::{
    api::{
        CertificateStatus,
        condition::{self, APPROVED, DENIED, READY},
        key::RotationPolicy,
        names::annotation,
    },
    pki::summary::{KeySummary, Part},
    plan::seen::{Next, RequestSeen, SecretSeen},
};

/// Before any check: if the Secret holds exactly the certificate of a Ready request of the next revision, and its key, then only
/// the status is left to write.
pub(super) fn finish(view: &View<'_>) -> Option<Plan> {
    let secret = view.seen.secret.as_ref()?;
    let certificate = secret.pair.certificate.valid()?;
    let issued = |request: &&RequestSeen| {
        let leaf = request
            .certificate
            .as_ref()
            .and_then(|issued| issued.leaf.as_ref().ok());
        request.is_true(READY) && leaf == Some(&certificate.fingerprint) && secret.pair.matches() == Some(true)
    };
    view.next_requests().find(issued)?;
    let issued = View::new(view.now, view.seen, view.settings, view.next_revision());
    let mut status = status::base(&issued, None);
    status::set_issued(&mut status, issued.revision);
    let events = vec![PlannedEvent::normal(
        "Issuing",
        "The certificate has been successfully issued",
    )];
    Some(Plan {
        status,
        events,
        ..Plan::nothing(view.status())
    })
}

/// The next step of an issuance that is under way, or (`fresh`) the first.
pub(super) fn advance(view: &View<'_>, trigger: &Violation, event: Option<PlannedEvent>, fresh: bool) -> Plan {
    if let Some(invalid) = validation::check(view.spec(), view.settings) {
        let status = status::invalid(&status::base(view, None), view.generation(), &invalid, view.now);
        return Plan {
            status,
            next: view.wake(None),
            ..Plan::nothing(view.status())
        };
    }
    let mut draft = Draft {
        view,
        trigger,
        effects: Vec::new(),
        events: Vec::new(),
    };
    if fresh {
        draft.events.extend(event);
        draft
            .events
            .push(PlannedEvent::normal("Issuing", trigger.message.clone()));
    }
    match draft.choose_key() {
        Key::Stored(secret, key) => draft.with_key(&secret, key),
        Key::Wanted(source) => draft.without_key(source),
        Key::Refused(event) => draft.stuck(event),
    }
}

/// What is being put together.
struct Draft<'v, 'a> {
    view: &'v View<'a>,
    trigger: &'v Violation,
    effects: Vec<Effect>,
    events: Vec<PlannedEvent>,
}

enum Key {
    /// In this Secret.
    Stored(Arc<SecretSeen>, KeySummary),
    /// Still to be made or copied.
    Wanted(KeySource),
    /// Somebody has to decide.
    Refused(PlannedEvent),
}

/// What to do about a name that a new request could have.
enum Occupant<'a> {
    Nobody,
    Replaceable(&'a RequestSeen),
    Going,
    Stranger,
}

impl Draft<'_, '_> {
    /// Of the Secrets with a next key the one that fits, preferably the one that status names; the others go.
    fn choose_key(&mut self) -> Key {
        let view = self.view;
        let mut usable: Vec<(u8, &Arc<SecretSeen>, KeySummary)> = Vec::new();
        for secret in view
            .seen
            .next_keys
            .iter()
            .filter(|secret| secret.meta.deleting.is_none())
        {
            match secret.pair.key.valid() {
                Some(key) if key_differences(key.spec, view.spec()).is_empty() => {
                    usable.push((self.rank(secret, key), secret, *key));
                }
                Some(key) => {
                    let fields = key_differences(key.spec, view.spec()).join(" ");
                    let message = format!("Regenerating private key due to change in fields: [{fields}]");
                    self.events.push(PlannedEvent::normal("Deleted", message));
                    self.effects.push(Effect::DeleteNextKey(Box::new(secret.meta.clone())));
                }
                None => self.effects.push(Effect::DeleteNextKey(Box::new(secret.meta.clone()))),
            }
        }
        usable.sort_by(|a, b| (a.0, a.1.meta.name()).cmp(&(b.0, b.1.meta.name())));
        let mut usable = usable.into_iter();
        let chosen = usable.next();
        self.effects
            .extend(usable.map(|(_, secret, _)| Effect::DeleteNextKey(Box::new(secret.meta.clone()))));
        match chosen {
            Some((_, secret, key)) => Key::Stored(Arc::clone(secret), key),
            None => self.key_source(),
        }
    }

    fn rank(&self, secret: &SecretSeen, key: &KeySummary) -> u8 {
        let named = self.view.status().next_private_key_secret_name.as_deref() == Some(secret.meta.name());
        let requested = self
            .view
            .next_requests()
            .any(|request| request.csr.as_ref().is_ok_and(|csr| csr.key_hash() == key.hash));
        match (named, requested) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }

    /// SEC-01.
    fn key_source(&mut self) -> Key {
        let view = self.view;
        let policy = view
            .spec()
            .private_key
            .as_ref()
            .and_then(|key| key.rotation_policy)
            .unwrap_or_default();
        let target = view.seen.secret.as_ref().filter(|_| policy == RotationPolicy::Never);
        let name = &view.spec().secret_name;
        match target.map(|secret| &secret.pair.key) {
            None | Some(Part::Missing) => Key::Wanted(KeySource::New),
            Some(Part::Invalid(_)) => {
                let message = format!("Failed to decode private key stored in Secret {name:?} - generating new key");
                self.events.push(PlannedEvent::warning("DecodeFailed", message));
                Key::Wanted(KeySource::New)
            }
            Some(Part::Valid(key)) => match key_differences(key.spec, view.spec()).as_slice() {
                [] => Key::Wanted(KeySource::Target),
                fields => Key::Refused(PlannedEvent::warning(
                    "CannotRegenerateKey",
                    cannot_regenerate(name, fields),
                )),
            },
        }
    }

    /// There is no next key: store one, or issue at once with one that only memory holds.
    fn without_key(mut self, source: KeySource) -> Plan {
        let view = self.view;
        if source == KeySource::Target {
            let name = &view.spec().secret_name;
            let message = format!("Reusing private key stored in existing Secret resource {name:?}");
            self.events.push(PlannedEvent::normal("Reused", message));
        }
        if self.can_issue_at_once(source) {
            return self.issue_at_once(source);
        }
        let Some(name) = self.next_key_name() else {
            return self
                .held_up("Both names that the Secret with the next private key could have are taken by other Secrets");
        };
        if source == KeySource::New {
            let message = format!("Stored new private key in temporary Secret resource {name:?}");
            self.events.push(PlannedEvent::normal("Generated", message));
        }
        self.effects.push(Effect::StoreKey {
            name: name.clone(),
            source,
        });
        let note = self.note();
        let mut status = status::base(view, note.as_deref());
        status::set_issuing(&mut status, view, self.trigger, &name);
        self.plan(status)
    }

    /// Only where nothing can come between: our own issuer is Ready and signs here, and approval is ours.
    fn can_issue_at_once(&self, source: KeySource) -> bool {
        let view = self.view;
        let target = view
            .seen
            .secret
            .as_ref()
            .and_then(|secret| secret.pair.key.valid())
            .map(|key| key.hash);
        // A request for the key that is kept may be waiting, or even done.
        let reusable = |request: &RequestSeen| {
            source == KeySource::Target
                && failure::of_request(request).is_none()
                && request.csr.as_ref().is_ok_and(|csr| Some(csr.key_hash()) == target)
                && request_differences(request, view.spec()).is_ok_and(|differences| differences.is_empty())
        };
        view.seen.issuer == IssuerState::InProcess
            && view.settings.controllers.approver()
            && view.seen.keystore_passwords == Passwords::Available
            && !view
                .next_requests()
                .any(|request| request.meta.deleting.is_some() || reusable(request))
    }

    fn issue_at_once(mut self, source: KeySource) -> Plan {
        let view = self.view;
        if let Some(failure) = self.unrecorded_failure() {
            return self.fail(&failure);
        }
        let stale: Vec<&RequestSeen> = view.next_requests().collect();
        // The name that the Secret with its key would have: it tells whose work the request is.
        let [key_secret, _] = names::next_key_names(view.meta().name(), &view.meta().uid, view.next_revision());
        match self.desired_request(&stale, &key_secret) {
            Ok(request) => {
                self.effects.push(Effect::IssueAtOnce {
                    request: Box::new(request),
                    source,
                });
                let status = view.status().clone();
                self.plan(status)
            }
            Err(plan) => *plan,
        }
    }

    fn unrecorded_failure(&self) -> Option<Failure> {
        let view = self.view;
        let fits = |request: &&RequestSeen| {
            request_differences(request, view.spec()).is_ok_and(|differences| differences.is_empty())
        };
        let failures = view.next_requests().filter(fits).filter_map(failure::of_request);
        failures
            .into_iter()
            .find(|failure| !failure::is_recorded(view, failure))
    }

    /// The key is there: its request has to be made, waited for, or stored.
    fn with_key(mut self, secret: &SecretSeen, key: KeySummary) -> Plan {
        let view = self.view;
        let fits = |request: &RequestSeen| {
            request_differences(request, view.spec()).is_ok_and(|differences| differences.is_empty())
                && request.csr.as_ref().is_ok_and(|csr| csr.key_hash() == key.hash)
        };
        let (mut kept, mut stale): (Vec<&RequestSeen>, Vec<&RequestSeen>) =
            view.next_requests().partition(|request| fits(request));
        if let Some(failure) = kept
            .iter()
            .filter_map(|request| failure::of_request(request))
            .find(|failure| !failure::is_recorded(view, failure))
        {
            return self.fail(&failure);
        }
        stale.extend(kept.extract_if(.., |request| failure::of_request(request).is_some()));
        kept.sort_by_key(|request| (!request.is_true(READY), request.meta.created, request.meta.name()));
        match kept.split_first() {
            Some((request, rest)) => {
                stale.extend(rest);
                self.discard(&stale);
                self.with_request(secret, key, request)
            }
            None => match self.desired_request(&stale, secret.meta.name()) {
                Ok(request) => {
                    let message = format!("Created new CertificateRequest resource {:?}", request.name);
                    self.events.push(PlannedEvent::normal("Requested", message));
                    self.effects.push(Effect::CreateRequest(Box::new(request)));
                    self.waiting(secret)
                }
                Err(plan) => *plan,
            },
        }
    }

    fn with_request(mut self, secret: &SecretSeen, key: KeySummary, request: &RequestSeen) -> Plan {
        let view = self.view;
        if !request.is_true(READY) {
            let annotated = view
                .meta()
                .annotations
                .contains(annotation::ISSUE_TEMPORARY_CERTIFICATE);
            if annotated
                && view.seen.keystore_passwords == Passwords::Available
                && checks::wants_temporary(&view.input())
            {
                self.events
                    .push(PlannedEvent::normal("Issuing", "Issued temporary certificate"));
                self.effects.push(Effect::StoreTemporary {
                    key_secret: secret.meta.key.name.clone(),
                });
            }
            return self.waiting(secret);
        }
        match unusable(request, key, view) {
            Some(Ok(())) => self.waiting(secret),
            Some(Err(message)) => {
                let at = request.failure_time.unwrap_or(request.meta.created);
                self.fail(&Failure {
                    reason: "InvalidCertificate".into(),
                    message,
                    at,
                })
            }
            None => {
                if let Passwords::Missing(why) = &view.seen.keystore_passwords {
                    return self.stuck(PlannedEvent::warning("KeystorePasswordSecretNotFound", why.clone()));
                }
                let (request, key_secret) = (request.meta.key.name.clone(), secret.meta.key.name.clone());
                self.effects.push(Effect::StoreCertificate { request, key_secret });
                let mut status = view.status().clone();
                status::set_issuing(&mut status, view, self.trigger, secret.meta.name());
                self.plan(status)
            }
        }
    }

    /// The request that is to be created, under a name that is free or can be freed.
    fn desired_request(
        &mut self,
        stale: &[&RequestSeen],
        key_secret: &str,
    ) -> Result<request::DesiredRequest, Box<Plan>> {
        let view = self.view;
        let (meta, revision) = (view.meta(), view.next_revision());
        let counted = view.settings.gates.stable_request_name;
        let names = names::request_names(meta.name(), &meta.uid, revision, counted);
        self.discard(stale);
        let mut free = None;
        for name in &names {
            match occupant(view, name, stale) {
                Occupant::Nobody => free = Some(name.clone()),
                Occupant::Replaceable(request) => {
                    self.discard(&[request]);
                    free = Some(name.clone());
                }
                Occupant::Going => return Err(Box::new(self.take().waiting_for_nothing())),
                Occupant::Stranger => continue,
            }
            break;
        }
        let Some(name) = free else {
            let [first, second] = &names;
            let note =
                format!("CertificateRequests {first:?} and {second:?} belong to somebody else; delete one of them");
            return Err(Box::new(self.take().held_up(&note)));
        };
        if names.first() != Some(&name) {
            let message = format!(
                "CertificateRequest {:?} belongs to somebody else; using the name {name:?}",
                names.first().map_or("", |n| n)
            );
            self.events.push(PlannedEvent::warning("RequestNameTaken", message));
        }
        request::desired(&view.seen.certificate, view.settings, name, revision, key_secret).map_err(|error| {
            Box::new(
                self.take()
                    .held_up(&format!("The signing request cannot be made: {error}")),
            )
        })
    }

    fn take(&mut self) -> Self {
        Draft {
            view: self.view,
            trigger: self.trigger,
            effects: std::mem::take(&mut self.effects),
            events: std::mem::take(&mut self.events),
        }
    }

    fn discard(&mut self, requests: &[&RequestSeen]) {
        let there = requests.iter().filter(|request| request.meta.deleting.is_none());
        for request in there {
            let effect = Effect::DeleteRequest(Box::new(request.meta.clone()));
            if !self.effects.contains(&effect) {
                self.effects.push(effect);
            }
        }
    }

    fn next_key_name(&self) -> Option<String> {
        let view = self.view;
        let names = names::next_key_names(view.meta().name(), &view.meta().uid, view.next_revision());
        let taken = |name: &String| view.seen.strange_next_keys.iter().any(|key| *key.name == **name);
        let free = |name: &String| !taken(name) && !view.seen.next_keys.iter().any(|secret| secret.meta.name() == name);
        names.into_iter().find(free)
    }

    /// The request has failed for good: wait, and try again later.
    fn fail(self, failure: &Failure) -> Plan {
        let view = self.view;
        let message = format!(
            "The certificate request has failed to complete and will be retried: {}",
            failure.message
        );
        let mut status = status::base(view, None);
        status::set_failed(&mut status, view, &failure.reason, &message, failure.at);
        let events = vec![PlannedEvent::warning(&failure.reason, message)];
        Plan {
            effects: Vec::new(),
            status,
            events,
            next: Next::OnChange,
        }
    }

    /// Nothing can be done until somebody changes something.
    fn stuck(mut self, event: PlannedEvent) -> Plan {
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
            IssuerState::InProcess | IssuerState::Remote | IssuerState::External => {}
        }
        let undecided = |request: &&RequestSeen| !request.is_true(APPROVED) && !request.is_true(DENIED);
        let waits = view
            .next_requests()
            .find(undecided)
            .filter(|_| !view.settings.controllers.approver());
        let approval =
            waits.map(|request| format!("CertificateRequest {:?} is waiting for approval", request.meta.name()));
        view.lasting_obstacle().or(approval)
    }
}

/// Events of a plan that does nothing are told once: when the status they go with is new.
pub(super) fn only_news(view: &View<'_>, status: &CertificateStatus, events: &mut Vec<PlannedEvent>) {
    if status == view.status() {
        events.clear();
    }
}

/// Why the certificate of a Ready request cannot be stored; `Some(Ok)` when it is not there yet (LIF-04).
fn unusable(request: &RequestSeen, key: KeySummary, view: &View<'_>) -> Option<Result<(), String>> {
    let Some(issued) = &request.certificate else {
        return Some(Ok(()));
    };
    match (&issued.leaf, issued.not_after) {
        (Err(why), _) => Some(Err(format!("the issued certificate cannot be read: {why}"))),
        (Ok(_), _) if issued.key_hash != Some(key.hash) => {
            Some(Err("the issued certificate is for another key than the request".into()))
        }
        (Ok(_), Some(not_after)) if not_after <= view.now => Some(Err(format!(
            "the issued certificate expired on {}",
            status::go_time(not_after)
        ))),
        (Ok(_), _) => None,
    }
}

fn occupant<'a>(view: &View<'a>, name: &str, stale: &[&RequestSeen]) -> Occupant<'a> {
    let Some(request) = view.seen.requests.iter().find(|request| request.meta.name() == name) else {
        return Occupant::Nobody;
    };
    let (uid, certificate) = (&*view.meta().uid, view.meta().name());
    let owned = request.meta.owned_by(uid);
    let annotated = request.meta.annotations.get(annotation::CERTIFICATE_NAME) == Some(certificate);
    // Names are unique: an owner of our name and another uid is a former Certificate, restored from a backup or made anew.
    let orphaned = !request.meta.owners.is_empty()
        && request
            .meta
            .owners
            .iter()
            .all(|owner| &*owner.kind == "Certificate" && &*owner.name == certificate && &*owner.uid != uid);
    if request.meta.deleting.is_some() && (owned || orphaned) {
        return Occupant::Going;
    }
    if stale.iter().any(|stale| stale.meta.uid == request.meta.uid) {
        return Occupant::Nobody;
    }
    let replaceable = (owned && revision_of(request) != Some(view.revision)) || (annotated && orphaned);
    if replaceable {
        Occupant::Replaceable(request)
    } else {
        Occupant::Stranger
    }
}

fn cannot_regenerate(secret: &str, fields: &[&str]) -> String {
    format!(
        "User intervention required: existing private key in Secret {secret:?} does not match requirements on Certificate resource, \
         mismatching fields: [{}], and spec.privateKey.rotationPolicy is Never. Set it to Always, change the fields back, or delete the Secret",
        fields.join(" ")
    )
}
