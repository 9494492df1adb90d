//! Keystores in the target Secret: their content, and whether it is current (CRT-14, CRT-15, SEC-07).

use std::collections::BTreeMap;

use super::secret::Circumstances;
use crate::{
    api::{CertificateSpec, KeystoreKind, keystore::Pkcs12Profile, names::data_key},
    pki::{
        Error,
        hidden::Hidden,
        key::sha256,
        keystore::{Contents, Format, Profile},
    },
};

/// Default alias of the key (CRT-14).
const ALIAS: &str = "certificate";

/// Passwords of the requested keystores.
#[derive(Debug, Default)]
pub struct KeystorePasswords(BTreeMap<KeystoreKind, Hidden<String>>);

impl KeystorePasswords {
    /// Adds the password of one type.
    pub fn insert(&mut self, kind: KeystoreKind, password: Hidden<String>) {
        self.0.insert(kind, password);
    }

    /// A digest of all of them.
    pub fn digest(&self) -> [u8; 32] {
        let mut text = Hidden::new(Vec::new());
        for (kind, password) in &self.0 {
            let part = sha256(password.expose().as_bytes());
            text.expose_mut().extend([kind.field().as_bytes(), &part].concat());
        }
        sha256(text.expose())
    }

    fn of(&self, kind: KeystoreKind) -> Result<&str, Error> {
        let password = self.0.get(&kind).map(|password| password.expose().as_str());
        password.ok_or_else(|| Error::Keystore(format!("the password of the {kind} keystore is not known")))
    }
}

/// The data keys of one type: keystore and truststore.
const fn data_keys_of(kind: KeystoreKind) -> [&'static str; 2] {
    match kind {
        KeystoreKind::Jks => [data_key::KEYSTORE_JKS, data_key::TRUSTSTORE_JKS],
        KeystoreKind::Pkcs12 => [data_key::KEYSTORE_P12, data_key::TRUSTSTORE_P12],
    }
}

/// All possible data keys of keystores.
pub(super) const DATA_KEYS: [&str; 4] = {
    let ([a, b], [c, d]) = (data_keys_of(KeystoreKind::Jks), data_keys_of(KeystoreKind::Pkcs12));
    [a, b, c, d]
};

/// The data keys of the requested keystores. A truststore requires a known CA.
pub(super) fn data_keys(spec: &CertificateSpec, has_ca: bool) -> impl Iterator<Item = &'static str> {
    let kinds = spec.keystores_to_make().map(|store| data_keys_of(store.kind));
    kinds.flat_map(move |[key, trust]| std::iter::once(key).chain(has_ca.then_some(trust)))
}

/// A data key and its value.
pub(super) type File = (&'static str, Hidden<Vec<u8>>);

/// Renders the requested keystores.
pub(super) fn render(
    spec: &CertificateSpec,
    contents: &Contents<'_>,
    passwords: &KeystorePasswords,
    circumstances: &Circumstances,
) -> Result<Vec<File>, Error> {
    let Circumstances { now, seeds } = circumstances;
    let mut files = Vec::new();
    for (store, [key_seed, trust_seed]) in spec.keystores_to_make().zip(seeds) {
        let (password, format) = (passwords.of(store.kind)?, format(spec, store.kind));
        let [with_key, trust] = data_keys_of(store.kind);
        files.push((with_key, format.keystore(contents, password, *now, key_seed)?));
        if !contents.ca_pem.is_empty() {
            let file = format.truststore(contents.ca_pem, password, *now, trust_seed)?;
            files.push((trust, file));
        }
    }
    Ok(files)
}

/// What is wrong with the requested keystores, as a sentence: one does not open with its password, contains another key or other
/// certificates than `contents`, or has another format. A missing keystore is not reported here.
pub fn fault<'a>(
    spec: &CertificateSpec,
    contents: &Contents<'_>,
    passwords: &KeystorePasswords,
    data: impl Fn(&str) -> Option<&'a [u8]>,
) -> Option<String> {
    spec.keystores_to_make().find_map(|store| {
        // without a password nothing can be checked
        let (password, format) = (passwords.of(store.kind).ok()?, format(spec, store.kind));
        let [with_key, trust] = data_keys_of(store.kind);
        let keystore = data(with_key).map(|file| format.check_keystore(file, contents, password));
        let truststore = data(trust)
            .filter(|_| !contents.ca_pem.is_empty())
            .map(|file| format.check_truststore(file, contents.ca_pem, password));
        [(with_key, keystore), (trust, truststore)]
            .into_iter()
            .find_map(|(name, checked)| match checked? {
                Err(Error::Keystore(why)) => Some(format!("{name}: {why}")),
                // an unusable key or certificate is reported elsewhere
                Ok(()) | Err(_) => None,
            })
    })
}

fn format(spec: &CertificateSpec, kind: KeystoreKind) -> Format {
    let stores = spec.keystores.as_ref();
    match kind {
        KeystoreKind::Jks => {
            let alias = stores.and_then(|stores| stores.jks.as_ref()?.alias.as_deref());
            Format::Jks {
                alias: alias.unwrap_or(ALIAS).to_owned(),
            }
        }
        KeystoreKind::Pkcs12 => {
            let profile = stores.and_then(|stores| stores.pkcs12.as_ref()?.profile);
            Format::Pkcs12(match profile.unwrap_or_default() {
                Pkcs12Profile::LegacyRc2 => Profile::LegacyRc2,
                Pkcs12Profile::LegacyDes => Profile::LegacyDes,
                Pkcs12Profile::Modern2023 => Profile::Modern2023,
                Pkcs12Profile::Modern2026 => Profile::Modern2026,
            })
        }
    }
}
