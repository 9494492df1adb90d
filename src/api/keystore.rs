//! Keystores: key and certificate in password-protected files (CRT-14, CRT-15).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeySelector;
use super::certificate::CertificateSpec;
use super::wire_enum::wire_enum;

/// Keystore files (CRT-14, CRT-15).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Keystores {
    /// Java's own format: keystore.jks, and truststore.jks if the CA is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jks: Option<JksKeystore>,
    /// PKCS#12: keystore.p12, and truststore.p12 if the CA is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkcs12: Option<Pkcs12Keystore>,
}

/// A keystore in Java's own format.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JksKeystore {
    /// Name of the entry; "certificate" if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Whether the files are made.
    pub create: bool,
    /// The password itself. Everybody who may read this object can read it: prefer passwordSecretRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Where the password is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeySelector>,
}

/// A keystore in PKCS#12.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pkcs12Keystore {
    /// Whether the files are made.
    pub create: bool,
    /// The password itself. Everybody who may read this object can read it: prefer passwordSecretRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Where the password is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeySelector>,
    /// Which algorithms protect the file; LegacyRC2 if not set, which every program can read. Prefer Modern2023.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Pkcs12Profile>,
}

wire_enum! {
    /// Algorithms of a PKCS#12 file.
    #[derive(Default)]
    pub enum Pkcs12Profile {
        /// RC2 and 3DES with SHA-1, the default.
        #[default]
        LegacyRc2 = "LegacyRC2",
        /// 3DES with SHA-1.
        LegacyDes = "LegacyDES",
        /// AES-256 with PBKDF2 and SHA-256.
        Modern2023 = "Modern2023",
        /// As Modern2023, with an integrity check by PBMAC1 (RFC 9579).
        Modern2026 = "Modern2026",
    }
}

/// `Debug` must not print a password of the object.
macro_rules! debug_without_password {
    ($name:ident { $($shown:ident),+ }) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self { $($shown,)+ password } = self;
                let password = password.as_ref().map(|_| "(hidden)");
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), $shown))+.field("password", &password).finish()
            }
        }
    };
}
debug_without_password!(JksKeystore {
    alias,
    create,
    password_secret_ref
});
debug_without_password!(Pkcs12Keystore {
    create,
    password_secret_ref,
    profile
});

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeystoreKind {
    /// Java's own format.
    Jks,
    /// PKCS#12.
    Pkcs12,
}

impl KeystoreKind {
    /// Its field in `spec.keystores`.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Jks => "jks",
            Self::Pkcs12 => "pkcs12",
        }
    }
}

impl std::fmt::Display for KeystoreKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Jks => "JKS",
            Self::Pkcs12 => "PKCS#12",
        })
    }
}

/// The common part of both kinds. Without `Debug`, because it may hold a password.
#[derive(Clone, Copy)]
pub struct Keystore<'a> {
    /// Which.
    pub kind: KeystoreKind,
    /// Whether the files are made.
    pub create: bool,
    /// The password itself.
    pub password: Option<&'a str>,
    /// Where the password is.
    pub password_secret_ref: Option<&'a SecretKeySelector>,
}

impl CertificateSpec {
    /// The keystores in the spec, also those that are not to be made.
    pub fn each_keystore(&self) -> impl Iterator<Item = Keystore<'_>> {
        let stores = self.keystores.as_ref();
        let jks = stores.and_then(|stores| stores.jks.as_ref()).map(|store| Keystore {
            kind: KeystoreKind::Jks,
            create: store.create,
            password: store.password.as_deref(),
            password_secret_ref: store
                .password_secret_ref
                .as_ref()
                .filter(|reference| !reference.name.is_empty()),
        });
        let pkcs12 = stores.and_then(|stores| stores.pkcs12.as_ref()).map(|store| Keystore {
            kind: KeystoreKind::Pkcs12,
            create: store.create,
            password: store.password.as_deref(),
            password_secret_ref: store
                .password_secret_ref
                .as_ref()
                .filter(|reference| !reference.name.is_empty()),
        });
        jks.into_iter().chain(pkcs12)
    }

    /// The keystores that are to be made.
    pub fn keystores_to_make(&self) -> impl Iterator<Item = Keystore<'_>> {
        self.each_keystore().filter(|store| store.create)
    }
}
