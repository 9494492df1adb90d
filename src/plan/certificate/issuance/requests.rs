//! The request of an issuance: create it, wait for it, store its certificate (LIF-03, LIF-04).

use super::{
    super::{
        CertificateEffect, CertificatePlan, Notice, Passwords, checks,
        failure::{self, Failure},
        fallback, names, request, status,
        view::{View, revision_of},
    },
    Draft,
};
use crate::{
    api::{condition::READY, names::annotation},
    pki::summary::KeySummary,
    plan::seen::{RequestSeen, SecretSeen},
};

/// The state of a possible name of a new request.
enum Occupant<'a> {
    Free,
    Replaceable(&'a RequestSeen),
    Going,
    Stranger,
}

impl Draft<'_, '_> {
    /// The key exists: create the request, wait for it, or store its certificate.
    pub(super) fn with_key(mut self, secret: &SecretSeen, key: KeySummary) -> CertificatePlan {
        let view = self.view;
        let fits = |request: &RequestSeen| {
            view.is_wanted(request) && request.csr.as_ref().is_ok_and(|csr| csr.key_hash() == key.hash)
        };
        let (mut current, mut stale): (Vec<&RequestSeen>, Vec<&RequestSeen>) =
            view.next_requests().partition(|request| fits(request));
        let failure_of =
            |request: &RequestSeen| failure::of_request(request).or_else(|| invalid_certificate(request, key, view));
        if let Some(failure) = current
            .iter()
            .filter_map(|request| failure_of(request))
            .find(|failure| !failure::is_recorded(view, failure))
        {
            return super::failed(view, &failure);
        }
        stale.extend(current.extract_if(.., |request| failure_of(request).is_some()));
        current.sort_by_key(|request| (!request.is_true(READY), request.meta.created, request.meta.name()));
        match current.split_first() {
            Some((request, rest)) => {
                stale.extend(rest);
                self.discard(&stale);
                self.with_request(secret, request)
            }
            None => match self.desired_request(&stale, secret.meta.name()) {
                Ok(request) => {
                    let message = format!("Created new CertificateRequest resource {:?}", request.name);
                    self.events.push(Notice::normal("Requested", message));
                    self.effects.push(CertificateEffect::CreateRequest(Box::new(request)));
                    self.waiting(secret)
                }
                Err(plan) => *plan,
            },
        }
    }

    fn with_request(mut self, secret: &SecretSeen, request: &RequestSeen) -> CertificatePlan {
        let view = self.view;
        if !request.is_true(READY) {
            // ANO-01: no other value requests one
            let asked = view.meta().annotations.get(annotation::ISSUE_TEMPORARY_CERTIFICATE) == Some("true");
            if asked && view.seen.keystore_passwords == Passwords::Available && checks::wants_temporary(&view.input()) {
                self.events
                    .push(Notice::normal("Issuing", "Issued temporary certificate"));
                self.effects.push(CertificateEffect::StoreTemporary {
                    key_secret: secret.meta.key.name.clone(),
                });
            }
            return self.waiting(secret);
        }
        if request.certificate.is_none() {
            return self.waiting(secret);
        }
        if let Passwords::Missing(why) = &view.seen.keystore_passwords {
            return self.stuck(Notice::warning("KeystorePasswordSecretNotFound", why.clone()));
        }
        let (request, key_secret) = (request.meta.key.name.clone(), secret.meta.key.name.clone());
        self.effects
            .push(CertificateEffect::StoreCertificate { request, key_secret });
        let mut status = view.status().clone();
        status::set_issuing(&mut status, view, self.trigger, secret.meta.name());
        self.plan(status)
    }

    /// The request to create, with a free name, or one that can be freed.
    pub(super) fn desired_request(
        &mut self,
        stale: &[&RequestSeen],
        key_secret: &str,
    ) -> Result<request::DesiredRequest, Box<CertificatePlan>> {
        let view = self.view;
        let (meta, revision) = (view.meta(), view.next_revision());
        let naming = names::Naming::of(&view.seen.certificate, view.settings);
        let names = names::request_names(meta.name(), &meta.uid, revision, naming);
        self.discard(stale);
        // LIF-03: their purpose is unknown
        let unnumbered: Vec<&RequestSeen> = view
            .owned_requests()
            .filter(|request| revision_of(request).is_none())
            .collect();
        self.discard(&unnumbered);
        let mut free = None;
        for name in &names {
            match occupant(view, name, stale) {
                Occupant::Free => free = Some(name.clone()),
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
                format!("CertificateRequests {first:?} and {second:?} belong to another owner; delete one of them");
            return Err(Box::new(self.take().held_up(&note)));
        };
        if names.first() != Some(&name) {
            let message = format!(
                "CertificateRequest {:?} belongs to another owner; using the name {name:?}",
                names.first().map_or("", |n| n)
            );
            self.events.push(Notice::warning("RequestNameTaken", message));
        }
        let desired = request::desired(&view.seen.certificate, view.settings, name, revision, key_secret);
        let directed = desired.map(|mut request| {
            self.events.extend(fallback::direct(view, &mut request));
            request
        });
        directed.map_err(|error| {
            let mut draft = self.take();
            let message = format!("Failed to generate CSR: {error} - will not retry");
            draft.effects.clear();
            draft.events = vec![Notice::warning("RequestFailed", message)];
            Box::new(draft.held_up(&format!("The CSR cannot be created: {error}")))
        })
    }

    pub(super) fn discard(&mut self, requests: &[&RequestSeen]) {
        let there = requests.iter().filter(|request| request.meta.deleting.is_none());
        for request in there {
            let effect = CertificateEffect::DeleteRequest(Box::new(request.meta.clone()));
            if !self.effects.contains(&effect) {
                self.effects.push(effect);
            }
        }
    }
}

/// Why the certificate of a Ready request cannot be stored (LIF-04).
fn invalid_certificate(request: &RequestSeen, key: KeySummary, view: &View<'_>) -> Option<Failure> {
    let ready = request.condition(READY).filter(|ready| ready.is_true())?;
    let issued = request.certificate.as_ref()?;
    let message = match (&issued.leaf, issued.not_after) {
        (Err(why), _) => format!("the issued certificate cannot be parsed: {why}"),
        (Ok(_), _) if issued.key_hash != Some(key.hash) => {
            "the issued certificate has another key than the request".to_owned()
        }
        (Ok(_), Some(not_after)) if not_after <= view.now => {
            format!("the issued certificate expired on {}", status::go_time(not_after))
        }
        (Ok(_), _) => return None,
    };
    let transition = status::instant(ready.last_transition_time.as_ref());
    Some(Failure {
        reason: "InvalidCertificate".into(),
        message,
        at: transition.unwrap_or(request.meta.created).max(request.meta.created),
    })
}

fn occupant<'a>(view: &View<'a>, name: &str, stale: &[&RequestSeen]) -> Occupant<'a> {
    let Some(request) = view.seen.requests.iter().find(|request| request.meta.name() == name) else {
        return Occupant::Free;
    };
    let (uid, certificate) = (&*view.meta().uid, view.meta().name());
    let owned = request.meta.owned_by(uid);
    let annotated = request.meta.annotations.get(annotation::CERTIFICATE_NAME) == Some(certificate);
    // names are unique: an owner with our name and another uid was deleted, and the Certificate restored or created again
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
        return Occupant::Free;
    }
    let replaceable = (owned && revision_of(request) != Some(view.revision)) || (annotated && orphaned);
    if replaceable {
        Occupant::Replaceable(request)
    } else {
        Occupant::Stranger
    }
}
