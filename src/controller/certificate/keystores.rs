//! Keystores: their passwords, and the check of existing ones (CRT-14, CRT-15, SEC-07).

use std::sync::Arc;

use super::{opened::KeystoreResult, state::Certificates};
use crate::{
    api::{KeystoreKind, SecretKeySelector, names::data_key},
    controller::ControllerError,
    pki::{
        Error,
        hidden::Hidden,
        key::{PrivateKey, sha256},
        keystore::Contents,
    },
    plan::{
        certificate::keystores::{self, KeystorePasswords},
        kinds::CertificateKind,
        seen::Object,
    },
    work::Threads,
};

/// The passwords of the requested keystores, or a sentence that says why one is not available.
pub(super) async fn passwords(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
) -> Result<Result<KeystorePasswords, String>, ControllerError> {
    let mut passwords = KeystorePasswords::default();
    for store in certificate.spec.keystores_to_make() {
        let password = match (store.password, store.password_secret_ref) {
            (Some(literal), _) => literal.to_owned(),
            (None, Some(reference)) => match stored(controller, certificate, store.kind, reference).await? {
                Ok(password) => password,
                Err(why) => return Ok(Err(why)),
            },
            // validation rejects such a spec earlier
            (None, None) => continue,
        };
        passwords.insert(store.kind, Hidden::new(password));
    }
    Ok(Ok(passwords))
}

async fn stored(
    controller: &Certificates,
    certificate: &Object<CertificateKind>,
    kind: KeystoreKind,
    reference: &SecretKeySelector,
) -> Result<Result<String, String>, ControllerError> {
    let (name, key) = (&reference.name, reference.key_or("password"));
    let secret = controller
        .ports
        .reader
        .secret(&certificate.meta.key.sibling(name.as_str()))
        .await?;
    let Some(secret) = secret else {
        return Ok(Err(format!(
            "Secret {name:?} with the password of the {kind} keystore does not exist"
        )));
    };
    Ok(match secret.data(key).map(std::str::from_utf8) {
        Some(Ok(text)) if !text.is_empty() => Ok(text.to_owned()),
        Some(Err(_)) => Err(format!(
            "Secret {name:?} contains a password of the {kind} keystore that is not UTF-8, under the key {key:?}"
        )),
        Some(Ok(_)) | None => Err(format!(
            "Secret {name:?} contains no password for the {kind} keystore under the key {key:?}"
        )),
    })
}

/// The result of opening the keystores in a Secret.
#[derive(Clone, Debug)]
pub(super) struct OpenedKeystores {
    /// Digest of the data that was checked.
    pub(super) digest: [u8; 32],
    /// What is wrong, as a sentence.
    pub(super) fault: Option<String>,
}

/// Opening a file takes up to a tenth of a second, and tenants control that cost. One file is opened at a time, and other work
/// does not wait for it.
static OPENERS: Threads = Threads::new(|| 1);
/// The digest of everything that a result depends on.
fn subject_of(data: &[u8; 32], certificate: &Object<CertificateKind>, passwords: &KeystorePasswords) -> [u8; 32] {
    let stores = Hidden::new(serde_json::to_vec(&certificate.spec.keystores).unwrap_or_default());
    sha256(&[data.as_slice(), &passwords.digest(), &sha256(stores.expose())].concat())
}

/// Opens the keystores in the target Secret. `None` if the Secret does not exist.
pub(super) async fn open(
    controller: &Arc<Certificates>,
    certificate: &Object<CertificateKind>,
) -> Result<Option<OpenedKeystores>, ControllerError> {
    let key = certificate.meta.key.sibling(certificate.spec.secret_name.as_str());
    let Some(secret) = controller.ports.reader.secret(&key).await? else {
        return Ok(None);
    };
    let digest = secret.seen.digest;
    let fault = match passwords(controller, certificate).await? {
        // without the password, a keystore cannot be checked
        Err(_) => None,
        Ok(passwords) => {
            let (uid, of) = (&certificate.meta.uid, subject_of(&digest, certificate, &passwords));
            if let Some(known) = controller.state.opened.verdict(uid, &of) {
                return Ok(Some(OpenedKeystores {
                    digest,
                    fault: known.fault,
                }));
            }
            let spec = certificate.spec.clone();
            let fault = OPENERS
                .run(move || {
                    let part = |name: &str| secret.data(name).filter(|value| !value.is_empty());
                    let (private_key, _) = PrivateKey::from_pem(part(data_key::TLS_KEY).unwrap_or_default())?;
                    let contents = Contents {
                        key: &private_key,
                        chain_pem: part(data_key::TLS_CRT).unwrap_or_default(),
                        ca_pem: part(data_key::CA_CRT).unwrap_or_default(),
                    };
                    Ok::<_, Error>(keystores::fault(&spec, &contents, &passwords, part))
                })
                .await??;
            let verdict = KeystoreResult {
                of,
                fault: fault.clone(),
            };
            controller.state.opened.remember(uid, verdict);
            fault
        }
    };
    Ok(Some(OpenedKeystores { digest, fault }))
}
