//! Detection of target Secrets that another object uses: a Certificate must not overwrite them.

use super::secret::extra_data_keys;
use crate::{
    api::{CertificateSpec, names::annotation, names::data_key},
    plan::seen::SecretSeen,
};

/// A reference to the target Secret, and its purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// The object, for example `Issuer "le"`.
    pub by: String,
    /// The purpose.
    pub purpose: Purpose,
}

/// The purpose of a reference to a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The private key of an ACME account. The issuer creates it if it is missing.
    AcmeAccount,
    /// The key pair of a CA.
    Authority,
    /// A credential of an issuer.
    Credential,
    /// The password of a keystore.
    KeystorePassword {
        /// The data key.
        key: String,
        /// Whether it is a keystore of the Certificate itself.
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

    /// Whether storing a certificate in the Secret would overwrite something in use.
    ///
    /// | purpose | no such Secret | Secret of this Certificate | Secret of another owner |
    /// |---|---|---|---|
    /// | ACME account | conflict: the issuer creates it | allowed | conflict |
    /// | CA | allowed: this Certificate creates the CA | allowed | conflict, unless this is the certificate of a CA |
    /// | credential | allowed | allowed | conflict |
    /// | password of another keystore | allowed | allowed | conflict |
    /// | password of its own keystore | allowed | allowed | conflict if its key would be written |
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

/// Why the certificate must not be stored in its Secret, as a sentence.
pub(super) fn conflict(
    name: &str,
    spec: &CertificateSpec,
    secret: Option<&SecretSeen>,
    uses: &[SecretUse],
) -> Option<String> {
    let there = presence(name, secret);
    let SecretUse { by, purpose } = uses.iter().find(|found| found.purpose.is_endangered(spec, there))?;
    Some(format!(
        "{by} uses Secret {:?} {}, and a certificate would overwrite it: use another Secret for one of the two",
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
