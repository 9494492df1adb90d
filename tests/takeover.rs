//! Taking over from cert-manager 1.21.1: its objects, as it left them, and the plan that we make for each (NB-07 to NB-10, NB-15).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use certlet::{
    api::{condition, names::label},
    pki::{key::PrivateKey, keystore::Contents},
    plan::{
        certificate::{
            CertificateObservation, CertificatePlan, FallbackSeen, IssuerState, KeystoresSeen, Passwords,
            keystores::{self, KeystorePasswords},
            plan,
        },
        issuer::Reach,
        kinds::CertificateKind,
        seen::{Lean, Next, Object, RequestSeen, SecretSeen},
        settings::Settings,
    },
};
use jiff::Timestamp;
use serde_json::Value;

const OBJECTS: &str = include_str!("data/takeover/certificates.json");

/// What is in the cluster, by kind.
struct Left {
    items: Vec<Value>,
}

impl Left {
    fn read() -> Self {
        let list: Value = serde_json::from_str(OBJECTS).expect("the dump is JSON");
        Self {
            items: list["items"].as_array().expect("a list").clone(),
        }
    }

    fn of_kind<T: serde::de::DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        let of_kind = self.items.iter().filter(|item| item["kind"] == kind);
        of_kind
            .map(|item| serde_json::from_str(&item.to_string()).expect("an object of its kind"))
            .collect()
    }

    fn data(&self, secret: &str, key: &str) -> Option<Vec<u8>> {
        let mut secrets = self.items.iter().filter(|item| item["kind"] == "Secret");
        let secret = secrets.find(|item| item["metadata"]["name"] == secret)?;
        Some(BASE64_STANDARD.decode(secret["data"][key].as_str()?).unwrap())
    }

    /// What is wrong with the keystores that cert-manager wrote, opened with their password.
    fn wrong_keystore(&self, certificate: &Object<CertificateKind>) -> Option<String> {
        let spec = &certificate.spec;
        let mut passwords = KeystorePasswords::default();
        for store in spec.keystores_to_make() {
            let reference = store.password_secret_ref.expect("it names a Secret");
            let password = self
                .data(&reference.name, reference.key_or("password"))
                .expect("it is in the dump");
            passwords.insert(store.kind, String::from_utf8(password).unwrap().into());
        }
        let part = |key: &str| self.data(&spec.secret_name, key);
        let (key, _) = PrivateKey::from_pem(&part("tls.key")?).unwrap();
        let contents = Contents {
            key: &key,
            chain_pem: &part("tls.crt").unwrap(),
            ca_pem: &part("ca.crt").unwrap_or_default(),
        };
        let files = ["keystore.jks", "truststore.jks", "keystore.p12", "truststore.p12"];
        let files: BTreeMap<&str, Vec<u8>> = files.into_iter().filter_map(|name| Some((name, part(name)?))).collect();
        assert_eq!(
            files.len(),
            2 * spec.keystores_to_make().count(),
            "cert-manager made them all"
        );
        keystores::fault(spec, &contents, &passwords, |name| files.get(name).map(Vec::as_slice))
    }

    fn seen(&self, name: &str) -> CertificateObservation {
        let certificates: Vec<Lean<CertificateKind>> = self.of_kind("Certificate");
        let lean = certificates
            .iter()
            .find(|certificate| certificate.meta.name() == name)
            .expect("it is in the dump");
        let certificate = lean.parse().expect("a spec that can be read");
        let secrets: Vec<Arc<SecretSeen>> = self.of_kind::<SecretSeen>("Secret").into_iter().map(Arc::new).collect();
        let requests: Vec<RequestSeen> = self.of_kind("CertificateRequest");
        let uid = certificate.meta.uid.clone();
        let next_key = |secret: &&Arc<SecretSeen>| {
            secret.meta.owned_by(&uid) && secret.meta.labels.get(label::NEXT_PRIVATE_KEY) == Some("true")
        };
        CertificateObservation {
            secret: secrets
                .iter()
                .find(|secret| *secret.meta.name() == certificate.spec.secret_name)
                .cloned(),
            next_keys: secrets.iter().filter(next_key).cloned().collect(),
            strange_next_keys: Vec::new(),
            requests: requests
                .into_iter()
                .filter(|request| request.meta.owned_by(&uid))
                .map(Arc::new)
                .collect(),
            rivals: Vec::new(),
            issuer: if certificate.spec.issuer_ref.name.starts_with("letsencrypt") {
                IssuerState::Ready(Reach::Later)
            } else {
                IssuerState::Ready(Reach::AtOnce)
            },
            fallback: FallbackSeen::default(),
            keystore_passwords: Passwords::Available,
            keystores: KeystoresSeen::Opened(self.wrong_keystore(&certificate)),
            renewal_information: None,
            obstacle: None,
            rotation: certlet::plan::rotation::Share::default(),
            live: true,
            made: certlet::plan::certificate::Made::Nothing,
            uses: Vec::new(),
            certificate,
        }
    }
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

/// A minute after the dump was made.
const TAKEN_OVER: &str = "2026-11-21T06:10:00Z";

fn plan_for(name: &str, now: &str) -> (CertificateObservation, CertificatePlan) {
    let settings = Settings::default();
    let seen = Left::read().seen(name);
    let plan = plan(at(now), &seen, &settings);
    (seen, plan)
}

#[test]
fn nb_07_nothing_is_written_for_a_certificate_that_cert_manager_has_issued() {
    for name in ["root-ca", "plain", "rich", "acme", "shop-tls"] {
        let (seen, plan) = plan_for(name, TAKEN_OVER);
        assert_eq!(plan.effects, [], "{name}");
        assert_eq!(plan.events, [], "{name}");
        assert_eq!(plan.status, seen.certificate.status, "{name}");
    }
}

#[test]
fn nb_10_the_renewal_time_that_cert_manager_wrote_is_when_we_wake_up() {
    let (seen, plan) = plan_for("rich", TAKEN_OVER);
    let renewal = seen.certificate.status.renewal_time.expect("written").0;
    let Next::At(next) = plan.next else {
        panic!("it must be renewed some day")
    };
    assert_eq!(next, renewal);
}

#[test]
fn an_issuance_that_cert_manager_has_begun_goes_on_with_the_same_key_and_request() {
    let (seen, plan) = plan_for("stuck", TAKEN_OVER);
    assert!(condition::is_true(
        &seen.certificate.status.conditions,
        condition::ISSUING
    ));
    assert_eq!(plan.effects, []);
    assert_eq!(plan.status, seen.certificate.status);
}

#[test]
fn nb_07_nothing_is_issued_either_when_the_requests_are_gone() {
    for name in ["root-ca", "plain", "rich", "acme", "shop-tls"] {
        let settings = Settings::default();
        let mut seen = Left::read().seen(name);
        seen.requests.clear();
        let plan = plan(at(TAKEN_OVER), &seen, &settings);
        assert_eq!(plan.effects, [], "{name}");
        assert_eq!(plan.status, seen.certificate.status, "{name}");
    }
}

#[test]
fn crt_07_a_certificate_of_cert_managers_is_renewed_when_it_said_it_would() {
    for name in ["plain", "acme"] {
        let (seen, _) = plan_for(name, TAKEN_OVER);
        let renewal = seen.certificate.status.renewal_time.clone().expect("written").0;
        let not_after = seen.certificate.status.not_after.clone().expect("written").0;
        let settings = Settings::default();
        assert_eq!(
            plan(renewal - jiff::SignedDuration::from_secs(1), &seen, &settings).effects,
            []
        );
        assert!(renewal < not_after);
        assert_ne!(plan(renewal, &seen, &settings).effects, [], "{name}");
    }
}
