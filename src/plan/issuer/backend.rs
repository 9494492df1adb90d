//! The types of issuers: the only place that classifies an issuer and lists the differences between types.
//!
//! A new type is a variant of [`Backend`] and of [`IssuerType`], an entry of [`IssuerType::properties`], and the arms that the
//! compiler then requires. No `match` joins two types.

use super::IssuerVerdict;
use crate::api::{
    AcmeIssuer, IssuerSpec,
    issuer::{CaIssuer, SelfSignedIssuer},
    vault::VaultIssuer,
    venafi::VenafiIssuer,
};

/// The type of an issuer with its settings: the field of its spec that is set.
#[derive(Clone, Copy, Debug)]
pub enum Backend<'a> {
    /// An ACME server.
    Acme(&'a AcmeIssuer),
    /// A CA in a Secret.
    Ca(&'a CaIssuer),
    /// Self-signed, with the key of the request.
    SelfSigned(&'a SelfSignedIssuer),
    /// Vault (or `OpenBao`).
    Vault(&'a VaultIssuer),
    /// Venafi (`CyberArk`).
    Venafi(&'a VenafiIssuer),
}

impl<'a> Backend<'a> {
    /// The type of an issuer; `None` if its spec has none. The API server rejects two (VAL-21); if there are two nevertheless,
    /// the first counts, as in cert-manager.
    pub fn of(spec: &'a IssuerSpec) -> Option<Self> {
        Self::all(spec).next()
    }

    /// The type of an issuer.
    ///
    /// # Errors
    /// The verdict if its spec has no type, or more than one.
    pub fn only(spec: &'a IssuerSpec) -> Result<Self, IssuerVerdict> {
        let all: Vec<Self> = Self::all(spec).collect();
        match all.as_slice() {
            [backend] => Ok(*backend),
            [] => Err(IssuerVerdict::not_ready(
                "InvalidSpec",
                "spec: at least one issuer must be configured: acme, ca, selfSigned, vault or venafi",
            )),
            several => {
                let fields: Vec<&str> = several.iter().map(|backend| backend.issuer_type().field()).collect();
                let fields = fields.join(", ");
                let message = format!("spec: may not specify more than one issuer type, but has {fields}");
                Err(IssuerVerdict::not_ready("InvalidSpec", message))
            }
        }
    }

    /// How the issuer issues certificates.
    pub fn way(self) -> Way<'a> {
        match self {
            Self::Acme(acme) => Way::Order(acme),
            Self::Ca(ca) => Way::Sign(SignerSpec::Ca(ca)),
            Self::SelfSigned(own) => Way::Sign(SignerSpec::SelfSigned(own)),
            Self::Vault(vault) => Way::Sign(SignerSpec::Vault(vault)),
            Self::Venafi(venafi) => Way::Sign(SignerSpec::Venafi(venafi)),
        }
    }

    /// Its type.
    pub fn issuer_type(self) -> IssuerType {
        match self {
            Self::Acme(_) => IssuerType::Acme,
            Self::Ca(_) => IssuerType::Ca,
            Self::SelfSigned(_) => IssuerType::SelfSigned,
            Self::Vault(_) => IssuerType::Vault,
            Self::Venafi(_) => IssuerType::Venafi,
        }
    }

    fn all(spec: &'a IssuerSpec) -> impl Iterator<Item = Self> {
        let IssuerSpec {
            acme,
            ca,
            self_signed,
            vault,
            venafi,
        } = spec;
        [
            acme.as_ref().map(Self::Acme),
            ca.as_ref().map(Self::Ca),
            self_signed.as_ref().map(Self::SelfSigned),
            vault.as_ref().map(Self::Vault),
            venafi.as_ref().map(Self::Venafi),
        ]
        .into_iter()
        .flatten()
    }
}

/// How an issuer issues certificates.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// An Order is created and followed.
    Order(&'a AcmeIssuer),
    /// A signer with these settings is called.
    Sign(SignerSpec<'a>),
}

/// The settings of a signer.
#[derive(Clone, Copy, Debug)]
pub enum SignerSpec<'a> {
    /// A CA in a Secret.
    Ca(&'a CaIssuer),
    /// The key of the request.
    SelfSigned(&'a SelfSignedIssuer),
    /// Vault (or `OpenBao`).
    Vault(&'a VaultIssuer),
    /// Venafi (`CyberArk`).
    Venafi(&'a VenafiIssuer),
}

/// The type of an issuer, without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerType {
    /// An ACME server.
    Acme,
    /// A CA in a Secret.
    Ca,
    /// The key of the request.
    SelfSigned,
    /// Vault (or `OpenBao`).
    Vault,
    /// Venafi (`CyberArk`).
    Venafi,
}

/// When an issuer of a type can have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In the same pass, so that the private key need not be stored before.
    AtOnce,
    /// Later, so that the private key is stored first.
    Later,
}

/// The differences between types, apart from signing.
struct Properties {
    field: &'static str,
    request_controller: &'static str,
    signing_request_controller: &'static str,
    unusable_csr: &'static str,
    reach: Reach,
    needs_key: bool,
}

impl IssuerType {
    /// The name of the field in an issuer's spec.
    pub fn field(self) -> &'static str {
        self.properties().field
    }

    /// The name in `--controllers` of the controller that signs CertificateRequests (CTL-07).
    pub fn request_controller(self) -> &'static str {
        self.properties().request_controller
    }

    /// The name in `--controllers` of the controller that signs Kubernetes CSRs (CTL-10).
    pub fn signing_request_controller(self) -> &'static str {
        self.properties().signing_request_controller
    }

    /// The reason of a Kubernetes CSR that cannot be signed (CSR-05).
    pub fn unusable_csr(self) -> &'static str {
        self.properties().unusable_csr
    }

    /// Whether a request must name the Secret with its private key (ANO-04).
    pub fn needs_key(self) -> bool {
        self.properties().needs_key
    }

    /// When such an issuer can have signed.
    pub fn reach(self) -> Reach {
        self.properties().reach
    }

    fn properties(self) -> Properties {
        match self {
            Self::Acme => Properties {
                field: "acme",
                request_controller: "certificaterequests-issuer-acme",
                signing_request_controller: "certificatesigningrequests-issuer-acme",
                unusable_csr: "RequestParsingError",
                reach: Reach::Later,
                needs_key: false,
            },
            Self::Ca => Properties {
                field: "ca",
                request_controller: "certificaterequests-issuer-ca",
                signing_request_controller: "certificatesigningrequests-issuer-ca",
                unusable_csr: "SigningError",
                reach: Reach::AtOnce,
                needs_key: false,
            },
            Self::SelfSigned => Properties {
                field: "selfSigned",
                request_controller: "certificaterequests-issuer-selfsigned",
                signing_request_controller: "certificatesigningrequests-issuer-selfsigned",
                unusable_csr: "ErrorGenerating",
                reach: Reach::AtOnce,
                needs_key: true,
            },
            Self::Vault => Properties {
                field: "vault",
                request_controller: "certificaterequests-issuer-vault",
                signing_request_controller: "certificatesigningrequests-issuer-vault",
                unusable_csr: "SigningError",
                reach: Reach::Later,
                needs_key: false,
            },
            Self::Venafi => Properties {
                field: "venafi",
                request_controller: "certificaterequests-issuer-venafi",
                signing_request_controller: "certificatesigningrequests-issuer-venafi",
                unusable_csr: "SigningError",
                reach: Reach::Later,
                needs_key: false,
            },
        }
    }
}
