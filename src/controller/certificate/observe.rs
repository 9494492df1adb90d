//! Observation of a Certificate: from the index, and from the API server where the index is not sufficient.

use std::sync::Arc;

use super::{
    issuers::{fallback, issuer_state},
    keystores,
    secret_read::SecretRead,
    state::Certificates,
};
use crate::{
    api::{
        InvalidField,
        condition::READY,
        names::{annotation, label},
        order::State,
    },
    cluster::{index::Index, issuers, store::Link},
    controller::ControllerError,
    pki::key::PrivateKey,
    plan::{
        certificate::{
            CertificateObservation, KeystoresSeen, Made, Obstacle, Passwords, Purpose, Rival, SecretUse,
            names_to_look_up,
        },
        issuer::IssuerId,
        kinds::CertificateKind,
        seen::{Lean, Object, ObjectKey, RequestSeen, SecretSeen},
    },
};

/// Live reads of this reconcile. They complement the index, which may be incomplete or behind.
#[derive(Debug, Default)]
pub(super) struct LiveReads {
    /// The target Secret, if it was read.
    target: Option<SecretRead>,
    next_keys: Vec<Arc<SecretSeen>>,
    pub(super) strange_next_keys: Vec<ObjectKey>,
    requests: Vec<Arc<RequestSeen>>,
    missing_password: Option<String>,
    keystores: Option<keystores::OpenedKeystores>,
    /// The next key that was stored last. It is read again after this reconcile.
    pub(super) stored_key: Option<Arc<PrivateKey>>,
    /// The certificate that was made last.
    pub(super) made: Made,
}

/// Result of [`observe`].
pub(super) enum Observed {
    Gone,
    Unreadable(Arc<Lean<CertificateKind>>, InvalidField),
    Certificate(Box<CertificateObservation>),
}

/// Everything that the planner asks for, without a call.
pub(super) fn observe(controller: &Certificates, key: &ObjectKey, reads: &LiveReads) -> Observed {
    let Some(record) = controller.ports.index.certificates.get(key) else {
        return Observed::Gone;
    };
    let certificate = match record.parse() {
        Ok(certificate) => certificate,
        Err(invalid) => return Observed::Unreadable(record, invalid),
    };
    let target = key.sibling(certificate.spec.secret_name.as_str());
    let passwords = reads
        .missing_password
        .clone()
        .map_or(Passwords::Available, Passwords::Missing);
    let secret = reads.believed(controller, &target);
    let leaf = secret.as_ref().and_then(|secret| secret.pair.certificate.valid());
    let renewal_information = leaf.and_then(|leaf| controller.renewals.information(key, &leaf.fingerprint));
    let issuer = IssuerId::of(&certificate.spec.issuer_ref, certificate.meta.namespace());
    let rotation = issuer.and_then(|issuer| controller.rotations.of(&issuer));
    let requests = requests(controller, &certificate, reads);
    let rotation = rotation
        .zip(secret.as_deref())
        .map(|(rotation, secret)| rotation.share(key, secret))
        .unwrap_or_default();
    Observed::Certificate(Box::new(CertificateObservation {
        next_keys: next_keys(controller, &certificate, reads),
        strange_next_keys: reads.strange_next_keys.clone(),
        rivals: rivals(controller, &certificate),
        uses: uses(controller, &certificate),
        issuer: issuer_state(controller, &certificate, &certificate.spec.issuer_ref),
        fallback: fallback(controller, &certificate, &requests),
        keystore_passwords: passwords,
        keystores: reads.keystores_in(secret.as_deref()),
        renewal_information,
        obstacle: obstacle(controller, &certificate, &requests),
        requests,
        rotation,
        live: reads.target.is_some(),
        made: reads.made.clone(),
        secret,
        certificate,
    }))
}

impl LiveReads {
    /// Looks up what an issuance must not take from an index: the target Secret, the next key, the passwords of keystores.
    pub(super) async fn read(
        &mut self,
        controller: &Certificates,
        seen: &CertificateObservation,
    ) -> Result<(), ControllerError> {
        let certificate = &seen.certificate;
        let target = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
        let indexed = controller.ports.index.secrets.get(&target);
        let found = controller
            .ports
            .reader
            .secret(&target)
            .await?
            .map(|secret| Arc::new(secret.seen));
        let live = SecretRead::new(indexed.as_deref(), found);
        let named = certificate
            .status
            .next_private_key_secret_name
            .as_deref()
            .filter(|name| !name.is_empty());
        let unknown = named.filter(|name| !seen.next_keys.iter().any(|secret| secret.meta.name() == *name));
        if let Some(name) = unknown {
            self.meet_next_key(controller, certificate, name).await?;
        }
        self.missing_password = keystores::passwords(controller, certificate).await?.err();
        self.target = Some(live);
        Ok(())
    }

    /// Reads a Secret that has the name of the next key, and checks whether it is ours.
    pub(super) async fn meet_next_key(
        &mut self,
        controller: &Certificates,
        certificate: &Object<CertificateKind>,
        name: &str,
    ) -> Result<(), ControllerError> {
        let key = certificate.meta.key.sibling(name);
        match controller.ports.reader.secret(&key).await? {
            Some(secret) if is_next_key(&secret.seen, certificate) => self.next_keys.push(Arc::new(secret.seen)),
            Some(_) => self.strange_next_keys.push(key),
            None => {}
        }
        Ok(())
    }

    /// Reads a request that has the name of ours and is not in the index yet.
    pub(super) async fn meet_request(
        &mut self,
        controller: &Certificates,
        key: &ObjectKey,
    ) -> Result<(), ControllerError> {
        if let Some(request) = controller
            .ports
            .reader
            .get::<crate::plan::kinds::RequestKind>(key)
            .await?
        {
            self.requests.push(Arc::new(request));
        }
        Ok(())
    }

    /// The current target Secret. It is read live unless this reconcile has read it already.
    pub(super) async fn target(
        &self,
        controller: &Certificates,
        target: &ObjectKey,
    ) -> Result<Option<Arc<SecretSeen>>, ControllerError> {
        if self.target.is_some() {
            return Ok(self.believed(controller, target));
        }
        Ok(controller
            .ports
            .reader
            .secret(target)
            .await?
            .map(|secret| Arc::new(secret.seen)))
    }

    /// The newest known version of the target Secret.
    fn believed(&self, controller: &Certificates, target: &ObjectKey) -> Option<Arc<SecretSeen>> {
        let indexed = controller.ports.index.secrets.get(target);
        match &self.target {
            Some(live) => live.or_newer(indexed),
            None => indexed,
        }
    }

    /// Looks into the keystores of the target Secret. One that changed meanwhile is looked into once the index knows of it.
    pub(super) async fn open_keystores(
        &mut self,
        controller: &Arc<Certificates>,
        seen: &CertificateObservation,
    ) -> Result<(), ControllerError> {
        let opened = keystores::open(controller, &seen.certificate).await?;
        let known = seen.secret.as_ref().map(|secret| secret.digest);
        if opened.as_ref().map(|opened| opened.digest) != known {
            return Err(ControllerError::Stale(format!(
                "Secret {} of Certificate {} has changed",
                seen.certificate.spec.secret_name, seen.certificate.meta.key
            )));
        }
        self.keystores = opened;
        Ok(())
    }

    fn keystores_in(&self, secret: Option<&SecretSeen>) -> KeystoresSeen {
        let digest = secret.map(|secret| secret.digest);
        let opened = self.keystores.as_ref().filter(|opened| Some(opened.digest) == digest);
        opened.map_or(KeystoresSeen::Unopened, |opened| {
            KeystoresSeen::Opened(opened.fault.clone())
        })
    }

    /// The key in a Secret, if this reconcile has stored it there.
    pub(super) fn key_in(&self, secret: &SecretSeen) -> Option<Arc<PrivateKey>> {
        let found = secret.pair.key.valid()?;
        self.stored_key.clone().filter(|key| key.hash() == found.hash)
    }

    /// Records that the password of a keystore is not available.
    pub(super) fn lacks_password(&mut self, why: String) {
        self.missing_password = Some(why);
    }
}

/// Whether the Secret holds our next key: by owner uid and label, because other clients can set one of them.
fn is_next_key(secret: &SecretSeen, certificate: &Object<CertificateKind>) -> bool {
    secret.meta.owned_by(&certificate.meta.uid) && secret.meta.labels.get(label::NEXT_PRIVATE_KEY) == Some("true")
}

fn next_keys(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    reads: &LiveReads,
) -> Vec<Arc<SecretSeen>> {
    let owned = controller
        .ports
        .index
        .secrets
        .linked(&Link::Owner(certificate.meta.uid.clone()));
    let mut keys: Vec<Arc<SecretSeen>> = owned
        .into_iter()
        .filter(|secret| is_next_key(secret, certificate))
        .collect();
    for met in &reads.next_keys {
        if !keys.iter().any(|secret| secret.meta.uid == met.meta.uid) {
            keys.push(Arc::clone(met));
        }
    }
    keys
}

fn requests(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    reads: &LiveReads,
) -> Vec<Arc<RequestSeen>> {
    let index = &controller.ports.index.requests;
    let mut requests = index.linked(&Link::Owner(certificate.meta.uid.clone()));
    let looked_up = names_to_look_up(certificate, &controller.ports.settings).requests;
    let named = looked_up.into_iter().map(|name| certificate.meta.key.sibling(name));
    let strange = named.filter(|key| !requests.iter().any(|known| known.meta.key == *key));
    let strange: Vec<_> = strange.filter_map(|key| index.get(&key)).collect();
    for request in strange.into_iter().chain(reads.requests.iter().cloned()) {
        if !requests.iter().any(|known| known.meta.uid == request.meta.uid) {
            requests.push(request);
        }
    }
    requests
}

fn rivals(controller: &Certificates, certificate: &Object<CertificateKind>) -> Vec<Rival> {
    let target = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
    let own = |key: &ObjectKey| *key == certificate.meta.key;
    let linked = controller
        .ports
        .index
        .certificates
        .linked_besides(&Link::Secret(target), own);
    let others = linked.iter().filter(|other| other.meta.deleting.is_none());
    others
        .filter(|other| {
            other
                .parse()
                .is_ok_and(|other| other.spec.secret_name == certificate.spec.secret_name)
        })
        .map(|other| Rival {
            name: Arc::clone(&other.meta.key.name),
            created: other.meta.created,
        })
        .collect()
}

/// Other objects that use the target Secret, and their purpose.
fn uses(controller: &Certificates, certificate: &Object<CertificateKind>) -> Vec<SecretUse> {
    let target = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
    let (name, index) = (&target.name, &controller.ports.index);
    let issuers = issuers::that_name(index, &target, &controller.ports.settings.cluster_resource_namespace);
    let issuers = issuers.into_iter().map(|issuer| issuer_use(index, issuer, name));
    let mut uses: Vec<SecretUse> = issuers.collect();
    // keystores of this Certificate and of others
    for other in index.certificates.linked(&Link::Secret(target.clone())) {
        let Ok(other) = other.parse() else { continue };
        let references = other
            .spec
            .keystores_to_make()
            .filter_map(|store| store.password_secret_ref);
        uses.extend(
            references
                .filter(|reference| *reference.name == **name)
                .map(|reference| SecretUse {
                    by: format!("Certificate {:?}", other.meta.name()),
                    purpose: Purpose::KeystorePassword {
                        key: reference.key_or("password").to_owned(),
                        own: other.meta.uid == certificate.meta.uid,
                    },
                }),
        );
    }
    uses
}

fn issuer_use(index: &Index, issuer: IssuerId, secret: &str) -> SecretUse {
    let by = format!("{} {:?}", issuer.kind(), &*issuer.0.name);
    let found = issuers::get(index, issuer);
    let spec = found.found().map(|issuer| &issuer.spec);
    let is_account = spec
        .and_then(|spec| spec.acme.as_ref())
        .is_some_and(|acme| acme.private_key_secret_ref.name == secret);
    let is_ca = spec
        .and_then(|spec| spec.ca.as_ref())
        .is_some_and(|ca| ca.secret_name == secret);
    SecretUse {
        by,
        purpose: match (is_account, is_ca) {
            (true, _) => Purpose::AcmeAccount,
            (false, true) => Purpose::Authority,
            (false, false) => Purpose::Credential,
        },
    }
}

/// Why the pending request makes no progress: the reason of its Order or of a Challenge, else its own condition.
fn obstacle(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    requests: &[Arc<RequestSeen>],
) -> Option<Obstacle> {
    let index = &controller.ports.index;
    let revision = certificate.status.revision.unwrap_or(0).saturating_add(1).to_string();
    let next = |request: &&Arc<RequestSeen>| {
        request.meta.owned_by(&certificate.meta.uid)
            && request.meta.annotations.get(annotation::CERTIFICATE_REVISION) == Some(revision.as_str())
    };
    let request = requests.iter().find(next)?;
    let ready = request
        .condition(READY)
        .filter(|ready| !ready.is_true() && ready.reason() == "Pending")?;
    for order in index.orders.linked(&Link::Owner(request.meta.uid.clone())) {
        let challenges = index.challenges.linked(&Link::Owner(order.meta.uid.clone()));
        let of_challenges = challenges.iter().filter_map(|challenge| {
            let reason = challenge.status().reason.filter(|reason| !reason.is_empty())?;
            Some((
                challenge.meta.created,
                format!("{}: {reason}", challenge.parse().ok()?.spec.dns_name),
            ))
        });
        let status = order.status();
        // the reason of a finished one is a note
        let order_reason = status
            .reason
            .filter(|reason| !reason.is_empty() && status.state != Some(State::Valid));
        let reported = order_reason
            .map(|reason| (order.meta.created, reason))
            .or_else(|| of_challenges.min());
        if let Some((since, text)) = reported {
            return Some(Obstacle { text, since });
        }
    }
    let since = ready
        .last_transition_time
        .as_ref()
        .map_or(request.meta.created, |time| time.0);
    let under_way = ready
        .message()
        .starts_with("Waiting on certificate issuance from order");
    (!under_way && !ready.message().is_empty()).then(|| Obstacle {
        text: ready.message().to_owned(),
        since,
    })
}
