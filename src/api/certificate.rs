//! The kind Certificate: the wanted certificate and its target Secret (CRT rows).

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate_status::CertificateStatus;
use super::key::{PrivateKey, SignatureAlgorithm};
use super::usage::KeyUsage;
use super::wire_enum::wire_enum;
use super::{GoDuration, IssuerRef, Keystores};

/// What the certificate has to look like, who signs it, and where it is stored.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "cert-manager.io", version = "v1", kind = "Certificate", namespaced)]
#[kube(status = "CertificateStatus", derive = "PartialEq", derive = "Default")]
#[kube(shortname = "cert", shortname = "certs", category = "cert-manager")]
#[kube(
    selectable = ".spec.issuerRef.group",
    selectable = ".spec.issuerRef.kind",
    selectable = ".spec.issuerRef.name"
)]
#[kube(doc = "A key and a certificate in a Secret, issued by an issuer and renewed before it expires.")]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// Other forms in which the key and certificate are stored in the Secret, beside tls.crt and tls.key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_output_formats: Vec<AdditionalOutputFormat>,
    /// Common name of the subject, at most 64 bytes. It is not added to the DNS names. Not together with literalSubject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// DNS names that the certificate is for; a wildcard is written *.example.com.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// How long the certificate shall be valid, for example 2160h (which is the default, 90 days); at least 1h.
    /// Units are h, m and s. An issuer may give another lifetime; public ACME servers do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<GoDuration>,
    /// E-mail addresses that the certificate is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// Whether the usages are written into the signing request; true if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_usages_in_request: Option<bool>,
    /// IP addresses that the certificate is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// Whether the certificate may sign other certificates. Adds the usage "cert sign".
    #[serde(rename = "isCA", default, skip_serializing_if = "Option::is_none")]
    pub is_ca: Option<bool>,
    /// Who signs.
    pub issuer_ref: IssuerRef,
    /// Keystore files in the Secret, for programs that cannot read PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keystores: Option<Keystores>,
    /// The whole subject as one RFC 4514 text, for example CN=a,OU=b,O=c. Not together with commonName or subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal_subject: Option<String>,
    /// What a CA certificate may sign for. Only together with isCA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_constraints: Option<NameConstraints>,
    /// Names of other kinds that the certificate is for, for example user principal names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<OtherName>,
    /// How the private key is made and stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKey>,
    /// How long before its expiry the certificate is renewed, for example 360h; at least 5m.
    /// If neither this nor renewBeforePercentage is set, a third of the certificate's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<GoDuration>,
    /// Like renewBefore, as a percentage (1 to 99) of the certificate's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before_percentage: Option<i32>,
    /// Whether and at which times of day the certificate is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
    /// How many finished CertificateRequests are kept; 1 if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Name of the Secret, in the same namespace, that holds the result.
    pub secret_name: String,
    /// Labels and annotations for the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_template: Option<SecretTemplate>,
    /// How the signing request is signed; it has to fit the key. Chosen by the key if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// Parts of the subject beside the common name. Not together with literalSubject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// URIs that the certificate is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// What the certificate may be used for; "digital signature" and "key encipherment" if not set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usages: Vec<KeyUsage>,
}

/// One further form of key and certificate in the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdditionalOutputFormat {
    /// DER stores the key as key.der; CombinedPEM stores key and chain in one file, tls-combined.pem.
    #[serde(rename = "type")]
    pub type_: OutputFormat,
}

wire_enum! {
    /// A form of key and certificate beside PEM (CRT-25).
    #[derive(Default)]
    pub enum OutputFormat {
        /// The key in DER, `key.der`.
        #[default]
        Der = "DER",
        /// Key and chain in one PEM file, `tls-combined.pem`.
        CombinedPem = "CombinedPEM",
    }
}

/// What a CA certificate may sign for (RFC 5280 section 4.2.1.10, CRT-26).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NameConstraints {
    /// Whether programs that do not know name constraints have to reject the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<bool>,
    /// Names it may not sign for, whatever is permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<NameConstraintItem>,
    /// Names it may sign for; of kinds that are listed, no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted: Option<NameConstraintItem>,
}

/// Names of several kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameConstraintItem {
    /// DNS domains, with everything below them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_domains: Vec<String>,
    /// E-mail addresses, hosts, or domains that begin with a dot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_addresses: Vec<String>,
    /// IP ranges, for example 10.0.0.0/8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_ranges: Vec<String>,
    /// Hosts of URIs, or domains that begin with a dot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uri_domains: Vec<String>,
}

/// A name of a kind given by its object identifier (CRT-12).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherName {
    /// Object identifier of the kind of name, for example 1.3.6.1.4.1.311.20.2.3 for a user principal name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<String>,
    /// The name, written as a UTF8String.
    #[serde(rename = "utf8Value", default, skip_serializing_if = "Option::is_none")]
    pub utf8_value: Option<String>,
}

/// Whether and when a certificate is renewed (CRT-09, CRT-10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Renewal {
    /// RenewBefore renews in time, as does leaving it out; Disabled never renews because of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RenewalPolicy>,
    /// Times at which renewals may happen. If none comes before the certificate expires, a condition reports it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<RenewalWindow>,
}

wire_enum! {
    /// Whether time alone makes a certificate be renewed.
    pub enum RenewalPolicy {
        /// Renew before the certificate expires.
        RenewBefore = "RenewBefore",
        /// Never because of time.
        Disabled = "Disabled",
    }
}

/// A recurring span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenewalWindow {
    /// When it begins: minute, hour, day of month, month, day of week, for example "0 2 * * 6".
    pub cron: String,
    /// Time zone of the beginning, for example Europe/Berlin; UTC if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// How long it lasts, for example 4h.
    pub window_duration: GoDuration,
}

/// Labels and annotations for the Secret (CRT-13).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretTemplate {
    /// Annotations for the Secret. Those of cert-manager.io are not allowed, except cert-manager.io/allow-direct-injection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels for the Secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Parts of the subject beside the common name (CRT-04).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Countries (C).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// Localities, for example cities (L).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub localities: Vec<String>,
    /// Parts of organizations (OU).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizational_units: Vec<String>,
    /// Organizations (O).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// Postal codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postal_codes: Vec<String>,
    /// States or provinces (ST).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provinces: Vec<String>,
    /// Serial number of the subject, not of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// Street addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub street_addresses: Vec<String>,
}

impl Subject {
    /// Whether it is empty; an empty serial number counts as missing.
    pub fn is_empty(&self) -> bool {
        let serial_number = self.serial_number.clone().filter(|number| !number.is_empty());
        let stated = Self {
            serial_number,
            ..self.clone()
        };
        stated == Self::default()
    }
}
