//! The key of an issuance: reused, generated, or rejected (LIF-02, SEC-01).

use std::sync::Arc;

use super::{
    super::{
        CertificateEffect, CertificatePlan, IssuerState, KeySource, Notice, Passwords,
        failure::{self, Failure},
        matching::key_differences,
        names, status,
    },
    Draft,
};
use crate::{
    api::key::RotationPolicy,
    pki::summary::{KeySummary, Part},
    plan::{
        issuer::Reach,
        seen::{RequestSeen, SecretSeen},
    },
};

/// The key for the next certificate.
pub(super) enum Key {
    /// It is in this Secret.
    Stored(Arc<SecretSeen>, KeySummary),
    /// It must be generated or copied first.
    Wanted(KeySource),
    /// A user has to decide.
    Refused(Notice),
}

impl Draft<'_, '_> {
    /// Selects the matching next-key Secret, preferably the one in the status. The others are deleted.
    pub(super) fn choose_key(&mut self) -> Key {
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
                    self.events.push(Notice::normal("Deleted", message));
                    self.effects
                        .push(CertificateEffect::DeleteNextKey(Box::new(secret.meta.clone())));
                }
                None => self
                    .effects
                    .push(CertificateEffect::DeleteNextKey(Box::new(secret.meta.clone()))),
            }
        }
        usable.sort_by(|a, b| (a.0, a.1.meta.name()).cmp(&(b.0, b.1.meta.name())));
        let mut usable = usable.into_iter();
        let chosen = usable.next();
        self.effects
            .extend(usable.map(|(_, secret, _)| CertificateEffect::DeleteNextKey(Box::new(secret.meta.clone()))));
        match chosen {
            Some((_, secret, key)) => Key::Stored(Arc::clone(secret), key),
            None => self.key_source(),
        }
    }

    pub(super) fn rank(&self, secret: &SecretSeen, key: &KeySummary) -> u8 {
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

    /// Reuse under `rotationPolicy: Never` (SEC-01).
    pub(super) fn key_source(&mut self) -> Key {
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
                self.events.push(Notice::warning("DecodeFailed", message));
                Key::Wanted(KeySource::New)
            }
            Some(Part::Valid(key)) => match key_differences(key.spec, view.spec()).as_slice() {
                [] => Key::Wanted(KeySource::Target),
                fields => Key::Refused(Notice::warning("CannotRegenerateKey", cannot_regenerate(name, fields))),
            },
        }
    }

    /// There is no next key: store one, or issue in one pass with a key in memory.
    pub(super) fn without_key(mut self, source: KeySource) -> CertificatePlan {
        let view = self.view;
        if source == KeySource::Target {
            let name = &view.spec().secret_name;
            let message = format!("Reusing private key stored in existing Secret resource {name:?}");
            self.events.push(Notice::normal("Reused", message));
        }
        if self.can_issue_at_once(source) {
            return self.issue_at_once(source);
        }
        let Some(name) = self.next_key_name() else {
            return self
                .held_up("Both possible names of the Secret for the next private key are taken by other Secrets");
        };
        if source == KeySource::New {
            let message = format!("Stored new private key in temporary Secret resource {name:?}");
            self.events.push(Notice::normal("Generated", message));
        }
        self.effects.push(CertificateEffect::StoreKey {
            name: name.clone(),
            source,
        });
        let note = self.note();
        let mut status = status::base(view, note.as_deref());
        status::set_issuing(&mut status, view, self.trigger, &name);
        self.plan(status)
    }

    pub(super) fn next_key_name(&self) -> Option<String> {
        let view = self.view;
        let names = names::next_key_names(view.meta().name(), &view.meta().uid, view.next_revision());
        let taken = |name: &String| view.seen.strange_next_keys.iter().any(|key| *key.name == **name);
        let free = |name: &String| !taken(name) && !view.seen.next_keys.iter().any(|secret| secret.meta.name() == name);
        names.into_iter().find(free)
    }

    /// One pass is possible only if the issuer is Ready, signs in this process, and approval is ours.
    pub(super) fn can_issue_at_once(&self, source: KeySource) -> bool {
        let view = self.view;
        let target = view
            .seen
            .secret
            .as_ref()
            .and_then(|secret| secret.pair.key.valid())
            .map(|key| key.hash);
        // a request for the reused key may be pending or finished
        let reusable = |request: &RequestSeen| {
            source == KeySource::Target
                && failure::of_request(request).is_none()
                && request.csr.as_ref().is_ok_and(|csr| Some(csr.key_hash()) == target)
                && view.is_wanted(request)
        };
        *view.issuer() == IssuerState::Ready(Reach::AtOnce)
            && view.settings.controllers.approver()
            && view.seen.keystore_passwords == Passwords::Available
            && !view
                .next_requests()
                .any(|request| request.meta.deleting.is_some() || reusable(request))
    }

    pub(super) fn issue_at_once(mut self, source: KeySource) -> CertificatePlan {
        let view = self.view;
        if let Some(failure) = self.unrecorded_failure() {
            return super::failed(view, &failure);
        }
        let stale: Vec<&RequestSeen> = view.next_requests().collect();
        // the name that the Secret of its key would have, which identifies our request
        let [key_secret, _] = names::next_key_names(view.meta().name(), &view.meta().uid, view.next_revision());
        match self.desired_request(&stale, &key_secret) {
            Ok(request) => {
                let message = format!("Created new CertificateRequest resource {:?}", request.name);
                self.events.push(Notice::normal("Requested", message));
                self.effects.push(CertificateEffect::IssueAtOnce {
                    request: Box::new(request),
                    source,
                });
                let status = view.status().clone();
                self.plan(status)
            }
            Err(plan) => *plan,
        }
    }

    pub(super) fn unrecorded_failure(&self) -> Option<Failure> {
        let view = self.view;
        let wanted = view.next_requests().filter(|request| view.is_wanted(request));
        let failures = wanted.filter_map(failure::of_request);
        failures
            .into_iter()
            .find(|failure| !failure::is_recorded(view, failure))
    }
}

fn cannot_regenerate(secret: &str, fields: &[&str]) -> String {
    format!(
        "User intervention required: existing private key in Secret {secret:?} does not match requirements on Certificate resource, \
         mismatching fields: [{}], and spec.privateKey.rotationPolicy is Never. Set it to Always, change the fields back, or delete the Secret",
        fields.join(" ")
    )
}
