//! A cluster in memory that plans are carried out on, one effect at a time, with real keys and a real CA.

mod objects;
mod signer;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::super::{
    CertificateEffect, CertificateObservation, CertificatePlan, FallbackSeen, IssuerState, KeySource, KeystoresSeen,
    Made, Passwords, Rival, fallback_for, key_spec,
    keystores::KeystorePasswords,
    plan,
    request::DesiredRequest,
    secret::{Attribution, Circumstances, Material, RenderedSecret, render},
};
use crate::{
    api::{
        CertificateSpec, CertificateStatus, Condition, ConditionStatus,
        condition::{self, READY},
        names::label,
    },
    pki::{
        chain::SizeLimits,
        csr::{self, CsrInfo},
        hidden::Hidden,
        key::{KeyEncoding, PrivateKey},
        keystore::Seed,
        sign::Issuer,
        summary::PairSummary,
    },
    plan::{
        issuer::Reach,
        kinds::CertificateKind,
        rotation::Share,
        seen::{Object, Pairs, RequestSeen, SecretSeen},
        settings::Settings,
    },
};

use objects::{applied, ca};
pub(super) use objects::{issuer, meta, owner};

pub(super) const NAMESPACE: &str = "shop";
pub(super) const UID: &str = "237faef4-afd4-4535-bb7c-ca7caee56aa7";

/// See the module.
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) settings: Settings,
    pub(super) certificate: Object<CertificateKind>,
    pub(super) secret: Option<Arc<SecretSeen>>,
    pub(super) next_keys: BTreeMap<String, Arc<SecretSeen>>,
    pub(super) requests: BTreeMap<String, RequestSeen>,
    pub(super) rivals: Vec<Rival>,
    pub(super) issuer: IssuerState,
    pub(super) fallback: FallbackSeen,
    pub(super) passwords: Passwords,
    pub(super) keystores: KeystoresSeen,
    pub(super) rotation: Share,
    pub(super) made: Made,
    /// When certificates were stored.
    pub(super) stored: Vec<Timestamp>,
    /// What was carried out, in one word each.
    pub(super) log: Vec<&'static str>,
    keys: HashMap<String, Arc<PrivateKey>>,
    target_key: Option<Arc<PrivateKey>>,
    issued: HashMap<String, Vec<u8>>,
    ca: Issuer,
    counter: u64,
}

impl Model {
    /// A new Certificate for one host, with an ECDSA key so that tests are quick.
    pub(super) fn new() -> Self {
        let json = r#"{"secretName":"web-tls","issuerRef":{"name":"ca"},"dnsNames":["web.example.com"],
            "privateKey":{"algorithm":"ECDSA"}}"#;
        let spec: CertificateSpec = serde_json::from_str(json).expect("a spec");
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
        let meta = meta("web", UID, now, Vec::new());
        Self {
            now,
            settings: Settings::default(),
            certificate: Object {
                meta,
                spec,
                status: CertificateStatus::default(),
            },
            secret: None,
            next_keys: BTreeMap::new(),
            requests: BTreeMap::new(),
            rivals: Vec::new(),
            issuer: IssuerState::Ready(Reach::Later),
            fallback: FallbackSeen::default(),
            passwords: Passwords::Available,
            keystores: KeystoresSeen::Unopened,
            rotation: Share::default(),
            made: Made::default(),
            stored: Vec::new(),
            log: Vec::new(),
            keys: HashMap::new(),
            target_key: None,
            issued: HashMap::new(),
            ca: ca(now),
            counter: 0,
        }
    }

    pub(super) fn seen(&self) -> CertificateObservation {
        CertificateObservation {
            certificate: self.certificate.clone(),
            secret: self.secret.clone(),
            next_keys: self.next_keys.values().cloned().collect(),
            strange_next_keys: Vec::new(),
            requests: self.requests.values().cloned().map(Arc::new).collect(),
            rivals: self.rivals.clone(),
            uses: Vec::new(),
            issuer: self.issuer.clone(),
            fallback: self.fallback.clone(),
            keystore_passwords: self.passwords.clone(),
            keystores: self.keystores.clone(),
            renewal_information: None,
            obstacle: None,
            rotation: self.rotation.clone(),
            live: true,
            made: self.made.clone(),
        }
    }

    pub(super) fn plan(&self) -> CertificatePlan {
        plan(self.now, &self.seen(), &self.settings)
    }

    /// Plans and carries out until nothing is left to do; how many steps it took.
    pub(super) fn settle(&mut self) -> usize {
        for steps in 0..20 {
            let plan = self.plan();
            if plan.effects.is_empty() && plan.status == self.certificate.status {
                return steps;
            }
            self.carry_out(&plan);
        }
        panic!("it does not come to rest: {:?}", self.log);
    }

    pub(super) fn carry_out(&mut self, plan: &CertificatePlan) {
        for effect in &plan.effects {
            self.apply(effect);
        }
        self.write_status(&plan.status);
    }

    pub(super) fn write_status(&mut self, status: &CertificateStatus) {
        if *status != self.certificate.status {
            self.certificate.status = status.clone();
            self.made = Made::Nothing;
            self.log.push("status");
        }
    }

    pub(super) fn apply(&mut self, effect: &CertificateEffect) {
        match effect {
            CertificateEffect::Confirm => panic!("what is seen here is live"),
            CertificateEffect::OpenKeystores => self.keystores = KeystoresSeen::Opened(None),
            CertificateEffect::DeleteRequest(meta) => {
                self.requests.remove(meta.name()).expect("it was there");
                self.log.push("delete request");
            }
            CertificateEffect::DeleteNextKey(meta) => {
                self.next_keys.remove(meta.name()).expect("it was there");
                self.log.push("delete key");
            }
            CertificateEffect::StoreKey { name, source } => {
                let key = self.obtain(*source);
                self.put_next_key(name, key);
                self.log.push("key");
            }
            CertificateEffect::CreateRequest(request) => {
                let key = request
                    .annotations
                    .get(crate::api::names::annotation::PRIVATE_KEY_SECRET_NAME)
                    .expect("named");
                let key = Arc::clone(self.keys.get(key).expect("the key is stored first"));
                self.create_request(request, &key);
            }
            CertificateEffect::IssueAtOnce { request, source } => {
                let key = self.obtain(*source);
                self.create_request(request, &key);
                self.sign(&request.name);
                self.store(&request.name, key);
            }
            CertificateEffect::StoreCertificate { request, key_secret } => {
                let key = Arc::clone(self.keys.get(&**key_secret).expect("the key is stored first"));
                self.store(request, key);
            }
            CertificateEffect::StoreTemporary { .. } => self.log.push("temporary"),
            CertificateEffect::RepairSecret => {
                let secret = self.secret.clone().expect("there is one to repair");
                let attribution = Attribution::found(&secret.meta.annotations);
                let chain = self.issued.get("target").expect("issued before").clone();
                let key = self.target_key.clone().expect("issued before");
                self.put_secret(&chain, &key, &attribution);
                self.log.push("repair");
            }
        }
    }

    fn obtain(&self, source: KeySource) -> Arc<PrivateKey> {
        match source {
            KeySource::New => Arc::new(PrivateKey::generate(key_spec(&self.certificate.spec)).expect("a key")),
            KeySource::Target => self.target_key.clone().expect("a key in the target"),
        }
    }

    pub(super) fn put_next_key(&mut self, name: &str, key: Arc<PrivateKey>) {
        assert!(!self.next_keys.contains_key(name), "{name} exists already");
        let pem = key.to_pem(KeyEncoding::Pkcs8).expect("PEM");
        let mut meta = meta(name, &self.fresh("key"), self.now, vec![owner("web", UID)]);
        meta.labels = Pairs::from_iter([(label::NEXT_PRIVATE_KEY, "true"), (label::FOR_ATTENTION_OF, "true")]);
        let secret = SecretSeen {
            meta,
            type_: "Opaque".into(),
            data_keys: ["tls.key".into()].into(),
            pair: Box::new(PairSummary::new(Some(pem.expose()), None, None, &SizeLimits::default())),
            wrong_formats: Box::default(),
            managed: Arc::default(),
            digest: [0; 32],
        };
        self.next_keys.insert(name.to_owned(), Arc::new(secret));
        self.keys.insert(name.to_owned(), key);
    }

    fn create_request(&mut self, request: &DesiredRequest, key: &PrivateKey) {
        assert!(
            !self.requests.contains_key(&request.name),
            "{} exists already",
            request.name
        );
        let csr = csr::build(&request.template, key).expect("a CSR");
        let mut meta = meta(&request.name, &self.fresh("request"), self.now, vec![owner("web", UID)]);
        meta.annotations = request.annotations.clone();
        let seen = RequestSeen {
            meta,
            issuer_ref: request.issuer_ref.clone(),
            duration: request.duration,
            is_ca: request.is_ca,
            usages: request.usages.iter().map(|usage| usage.as_str().into()).collect(),
            of_kubernetes: false,
            username: None,
            csr: Ok(Box::new(CsrInfo::parse(&csr).expect("our own CSR"))),
            csr_pem: Some(csr.into()),
            certificate: None,
            has_ca: false,
            conditions: Box::default(),
            failure_time: None,
        };
        self.requests.insert(request.name.clone(), seen);
        self.log.push("request");
    }

    pub(super) fn store(&mut self, request: &str, key: Arc<PrivateKey>) {
        let chain = self.issued.get(request).expect("issued").clone();
        let request_seen = self.requests.get(request).expect("it exists");
        let issuer = request_seen.issuer_ref.clone();
        let annotations = &request_seen.meta.annotations;
        let fallback_for = fallback_for(&self.certificate.spec, &issuer, annotations);
        self.put_secret(
            &chain,
            &key,
            &Attribution {
                certificate: Some("web".into()),
                issuer: Some(issuer),
                fallback_for,
            },
        );
        self.issued.insert("target".to_owned(), chain);
        self.target_key = Some(key);
        self.made = Made::Stored(request.into());
        self.stored.push(self.now);
        self.log.push("secret");
    }

    fn render(&self, chain: &[u8], key: &PrivateKey, attribution: &Attribution) -> RenderedSecret {
        let circumstances = Circumstances {
            now: self.now,
            seeds: [[Seed([1; 32]), Seed([2; 32])], [Seed([3; 32]), Seed([4; 32])]],
        };
        let material = Material {
            chain_pem: chain,
            ca_pem: None,
            key,
            key_pem: None,
        };
        let spec = self.certificate.spec.clone();
        let mut passwords = KeystorePasswords::default();
        for store in spec.keystores_to_make() {
            let literal = store.password.expect("tests give passwords as they are");
            passwords.insert(store.kind, Hidden::new(literal.to_owned()));
        }
        render(&spec, attribution, &material, &passwords, &circumstances).expect("rendered")
    }

    fn put_secret(&mut self, chain: &[u8], key: &PrivateKey, attribution: &Attribution) {
        let rendered = self.render(chain, key, attribution);
        let owners = if self.settings.enable_certificate_owner_ref {
            vec![owner("web", UID)]
        } else {
            vec![]
        };
        let uid = self.fresh("secret");
        self.keystores = KeystoresSeen::Unopened;
        self.secret = Some(Arc::new(applied(
            &self.certificate.spec.secret_name,
            &uid,
            self.now,
            owners,
            &rendered,
        )));
    }

    /// What the target Secret was made from, rendered again.
    pub(super) fn rendered(&self) -> RenderedSecret {
        let secret = self.secret.as_ref().expect("there is one");
        let attribution = Attribution::found(&secret.meta.annotations);
        let key = self.target_key.as_ref().expect("issued before");
        self.render(self.issued.get("target").expect("issued before"), key, &attribution)
    }

    /// An edit of the spec by its user.
    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut CertificateSpec)) {
        edit(&mut self.certificate.spec);
        self.certificate.meta.generation += 1;
    }

    /// Somebody changes the metadata of the target Secret.
    pub(super) fn edit_secret(&mut self, edit: impl FnOnce(&mut SecretSeen)) {
        let mut secret = (**self.secret.as_ref().expect("there is one")).clone();
        edit(&mut secret);
        self.secret = Some(Arc::new(secret));
    }

    pub(super) fn pass(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(super) fn ready(&self) -> (ConditionStatus, &str, &str) {
        let ready = condition::get(&self.certificate.status.conditions, READY).expect("Ready is always there");
        (ready.status, ready.reason(), ready.message())
    }

    pub(super) fn issuing(&self) -> Option<&Condition> {
        condition::get(&self.certificate.status.conditions, condition::ISSUING)
    }

    /// From nothing to Ready, the slow way.
    pub(super) fn issue(&mut self) {
        self.settle();
        let pending: Vec<String> = self
            .requests
            .values()
            .filter(|r| !r.is_true(READY))
            .map(|r| r.meta.name().to_owned())
            .collect();
        for name in &pending {
            self.sign(name);
        }
        self.settle();
        self.log.clear();
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.counter += 1;
        format!("{kind}-{}", self.counter)
    }
}
