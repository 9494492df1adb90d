//! Secrets that somebody needs for something else: a Certificate must not write over them.

use super::secret::extra_data_keys;
use crate::{
    api::{CertificateSpec, names::annotation, names::data_key},
    plan::seen::SecretSeen,
};

/// Who names the Secret that a Certificate is to be stored in, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// Who, as a person would name it: `Issuer "le"`.
    pub by: String,
    /// For what.
    pub purpose: Purpose,
}

/// What a Secret is named for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The private key of an ACME account. The issuer makes it where it is missing.
    AcmeAccount,
    /// The key pair of a CA.
    Authority,
    /// What an issuer authenticates with.
    Credential,
    /// The password of a keystore, under this data key; whether it is this Certificate's own keystore.
    KeystorePassword {
        /// The data key.
        key: String,
        /// Of the Certificate that asks.
        own: bool,
    },
}

impl Purpose {
    fn describe(&self) -> &'static str {
        match self {
            Self::AcmeAccount => "as the private key of its ACME account",
            Self::Authority => "as its CA",
            Self::Credential => "to authenticate itself",
            Self::KeystorePassword { .. } => "for the password of its keystore",
        }
    }

    /// Whether a certificate that is stored there takes something away.
    ///
    /// | purpose | no such Secret | of this Certificate | of nobody or another |
    /// |---|---|---|---|
    /// | ACME account | conflict: the issuer makes it | fine | conflict |
    /// | CA | fine: this Certificate makes the CA | fine | conflict, unless this is the certificate of a CA |
    /// | credential | fine | fine | conflict |
    /// | password of another's keystore | fine | fine | conflict |
    /// | password of its own keystore | fine | fine | conflict if it stands under a key that is written |
    fn is_endangered(&self, spec: &CertificateSpec, there: Presence) -> bool {
        let is_there = there == Presence::Foreign;
        match self {
            _ if there == Presence::Own => false,
            Self::AcmeAccount => true,
            Self::Authority => is_there && !spec.is_ca.unwrap_or(false),
            Self::Credential => is_there,
            Self::KeystorePassword { key, own } => is_there && (!own || is_written(spec, key)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Missing,
    Own,
    Foreign,
}

fn presence(name: &str, secret: Option<&SecretSeen>) -> Presence {
    match secret.map(|secret| secret.meta.annotations.get(annotation::CERTIFICATE_NAME)) {
        None => Presence::Missing,
        Some(Some(owner)) if owner == name => Presence::Own,
        Some(_) => Presence::Foreign,
    }
}

fn is_written(spec: &CertificateSpec, key: &str) -> bool {
    [data_key::TLS_KEY, data_key::TLS_CRT, data_key::CA_CRT].contains(&key)
        || extra_data_keys(spec, true).contains(&key)
}

/// Why the certificate of this name must not be stored in its Secret, as a sentence.
pub(super) fn conflict(
    name: &str,
    spec: &CertificateSpec,
    secret: Option<&SecretSeen>,
    uses: &[SecretUse],
) -> Option<String> {
    let there = presence(name, secret);
    let SecretUse { by, purpose } = uses.iter().find(|found| found.purpose.is_endangered(spec, there))?;
    Some(format!(
        "{by} needs Secret {:?} {}, and a certificate would be written over it: give one of the two another Secret",
        spec.secret_name,
        purpose.describe()
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        pki::{chain::SizeLimits, summary::PairSummary},
        plan::{request::fixture::meta, seen::Pairs},
    };

    fn secret(owner: Option<&str>) -> SecretSeen {
        let mut meta = meta("web-tls", "secret-uid");
        meta.annotations = owner
            .map(|owner| (annotation::CERTIFICATE_NAME, owner))
            .into_iter()
            .collect::<Pairs>();
        SecretSeen {
            meta,
            type_: "Opaque".into(),
            data_keys: Box::default(),
            pair: Box::new(PairSummary::new(None, None, None, &SizeLimits::default())),
            wrong_formats: Box::default(),
            managed: Arc::default(),
            digest: [0; 32],
        }
    }

    fn password(key: &str, own: bool) -> Purpose {
        Purpose::KeystorePassword { key: key.into(), own }
    }

    /// The table at [`Purpose::is_endangered`], row by row: no Secret, the Certificate's own, nobody's, another Certificate's.
    #[test]
    fn what_is_needed_for_something_else_is_not_written_over() {
        let leaf = r#"{"secretName":"web-tls","issuerRef":{"name":"ca"},"dnsNames":["a.example.com"]}"#;
        let ca = r#"{"secretName":"web-tls","issuerRef":{"name":"ca"},"commonName":"CA","isCA":true}"#;
        let table = [
            (leaf, Purpose::AcmeAccount, [true, false, true, true]),
            (ca, Purpose::AcmeAccount, [true, false, true, true]),
            (leaf, Purpose::Authority, [false, false, true, true]),
            (ca, Purpose::Authority, [false, false, false, false]),
            (leaf, Purpose::Credential, [false, false, true, true]),
            (ca, Purpose::Credential, [false, false, true, true]),
            (leaf, password("password", false), [false, false, true, true]),
            (leaf, password("password", true), [false, false, false, false]),
            (leaf, password("tls.key", true), [false, false, true, true]),
            (leaf, password("ca.crt", true), [false, false, true, true]),
        ];
        for (spec, purpose, expected) in table {
            let spec: CertificateSpec = serde_json::from_str(spec).unwrap();
            let uses = [SecretUse {
                by: "Issuer \"le\"".into(),
                purpose: purpose.clone(),
            }];
            let secrets = [
                None,
                Some(secret(Some("web"))),
                Some(secret(None)),
                Some(secret(Some("other"))),
            ];
            let found = secrets.map(|secret| conflict("web", &spec, secret.as_ref(), &uses).is_some());
            assert_eq!(found, expected, "{purpose:?} {:?}", spec.is_ca);
        }
    }
}
