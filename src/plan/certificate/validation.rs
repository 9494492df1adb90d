//! Validation rules that the schema cannot express, or that an older schema did not have (VAL-01 to VAL-20).
//!
//! They apply only when a certificate would be issued. A certificate that was accepted and issued by an older program stays Ready
//! (NB-29).

use std::net::IpAddr;

use super::matching::key_spec;
use crate::{
    api::{
        CertificateSpec, GoDuration,
        certificate::RenewalPolicy,
        key::{KeyAlgorithm as SpecAlgorithm, SignatureAlgorithm},
        names::annotation,
    },
    pki::{key::KeyAlgorithm, name::Name},
    plan::{
        renewal::{MAX_WINDOWS, WindowError},
        settings::Settings,
    },
};

/// A field of a spec, and why it is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct InvalidSpec {
    /// The path, for example `spec.duration`.
    pub path: String,
    /// The error, and what to write instead.
    pub message: String,
}

type Rule = fn(&CertificateSpec, &Settings) -> Option<InvalidSpec>;

const RULES: &[Rule] = &[
    secret_name,
    issuer_ref,
    literal_subject,
    any_name,
    common_name,
    addresses,
    emails,
    other_names,
    key_size,
    signature_algorithm,
    duration,
    renew_before,
    renew_before_percentage,
    history_limit,
    secret_template,
    name_constraints,
    output_formats,
    keystores,
    windows,
];

/// The first violated rule.
pub(super) fn check(spec: &CertificateSpec, settings: &Settings) -> Option<InvalidSpec> {
    RULES.iter().find_map(|rule| rule(spec, settings))
}

const SHORTEST_DURATION: GoDuration = GoDuration::from_hours(1);
const SHORTEST_RENEW_BEFORE: GoDuration = GoDuration::from_minutes(5);
const DEFAULT_DURATION: GoDuration = GoDuration::from_hours(2160);

#[expect(clippy::unnecessary_wraps, reason = "every rule returns an Option")]
fn broken(path: impl Into<String>, message: impl Into<String>) -> Option<InvalidSpec> {
    Some(InvalidSpec {
        path: path.into(),
        message: message.into(),
    })
}

fn secret_name(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    if spec.secret_name.is_empty() {
        broken("spec.secretName", "must be specified")
    } else {
        None
    }
}

fn issuer_ref(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let issuer = &spec.issuer_ref;
    if issuer.name.is_empty() {
        return broken("spec.issuerRef.name", "must be specified");
    }
    let known = ["Issuer", "ClusterIssuer"].contains(&issuer.kind_or_default());
    if issuer.is_ours() && !known {
        return broken(
            "spec.issuerRef.kind",
            format!("{:?}: must be one of Issuer or ClusterIssuer", issuer.kind_or_default()),
        );
    }
    None
}

fn literal_subject(spec: &CertificateSpec, settings: &Settings) -> Option<InvalidSpec> {
    let path = "spec.literalSubject";
    let literal = spec.literal_subject.as_deref().filter(|literal| !literal.is_empty())?;
    if !settings.gates.literal_subject {
        return broken(path, "the feature gate LiteralCertificateSubject is off");
    }
    if spec.common_name.as_deref().is_some_and(|name| !name.is_empty()) {
        return broken(
            "spec.commonName",
            "When providing a `LiteralSubject` no `commonName` may be provided.",
        );
    }
    if spec.subject.as_ref().is_some_and(|subject| !subject.is_empty()) {
        return broken(
            "spec.subject",
            "When providing a `LiteralSubject` no `Subject` properties may be provided.",
        );
    }
    Name::from_literal(literal)
        .err()
        .and_then(|error| broken(path, error.to_string()))
}

fn any_name(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let literal_name = spec
        .literal_subject
        .as_deref()
        .and_then(|literal| Name::from_literal(literal).ok()?.common_name());
    let texts = [&spec.common_name, &literal_name];
    let lists = [&spec.dns_names, &spec.email_addresses, &spec.ip_addresses, &spec.uris];
    let named = texts
        .iter()
        .any(|text| text.as_deref().is_some_and(|text| !text.is_empty()))
        || lists.iter().any(|list| !list.is_empty())
        || !spec.other_names.is_empty();
    if named {
        return None;
    }
    broken(
        "spec",
        "at least one of commonName (from the commonName field or from a literalSubject), dnsNames, emailSANs, ipAddresses, \
         otherNames, or uriSANs must be set",
    )
}

fn common_name(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let literal_name = spec
        .literal_subject
        .as_deref()
        .and_then(|literal| Name::from_literal(literal).ok()?.common_name());
    let names = [
        ("spec.commonName", &spec.common_name),
        ("spec.literalSubject", &literal_name),
    ];
    let long = |name: &&String| name.len() > 64;
    let (path, name) = names
        .into_iter()
        .find_map(|(path, name)| Some((path, name.as_ref().filter(long)?)))?;
    broken(
        path,
        format!("{name:?} has {} bytes; a common name has at most 64", name.len()),
    )
}

fn addresses(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let (at, text) = spec
        .ip_addresses
        .iter()
        .enumerate()
        .find(|(_, text)| text.parse::<IpAddr>().is_err())?;
    broken(
        format!("spec.ipAddresses[{at}]"),
        format!("{text:?}: invalid IP address"),
    )
}

fn emails(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let (at, text) = spec
        .email_addresses
        .iter()
        .enumerate()
        .find(|(_, text)| !super::mail::is_bare_address(text))?;
    broken(
        format!("spec.emailAddresses[{at}]"),
        format!("{text:?}: invalid email address: make sure the supplied value only contains the email address itself"),
    )
}

fn other_names(spec: &CertificateSpec, settings: &Settings) -> Option<InvalidSpec> {
    if !spec.other_names.is_empty() && !settings.gates.other_names {
        return broken("spec.otherNames", "the feature gate OtherNames is off");
    }
    spec.other_names.iter().enumerate().find_map(|(at, name)| {
        let oid = name.oid.as_deref().unwrap_or_default();
        let path = format!("spec.otherNames[{at}]");
        if oid.is_empty() {
            broken(format!("{path}.oid"), "must be specified")
        } else if !is_oid(oid) {
            broken(format!("{path}.oid"), format!("{oid:?}: invalid oid syntax"))
        } else if name.utf8_value.as_deref().unwrap_or_default().is_empty() {
            broken(
                format!("{path}.utf8Value"),
                "must be set to a valid non-empty UTF8 string",
            )
        } else {
            None
        }
    })
}

fn is_oid(text: &str) -> bool {
    text.contains('.')
        && text
            .split('.')
            .all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
}

fn key_size(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let key = key_spec(spec);
    let path = "spec.privateKey.size";
    match key.algorithm {
        KeyAlgorithm::Rsa if !(2048..=8192).contains(&key.size) => broken(
            path,
            format!("{}: must be between 2048 and 8192 for rsa keyAlgorithm", key.size),
        ),
        KeyAlgorithm::Ecdsa if ![256, 384, 521].contains(&key.size) => broken(
            path,
            format!("{}: must be 256, 384 or 521 for ecdsa keyAlgorithm", key.size),
        ),
        KeyAlgorithm::Rsa | KeyAlgorithm::Ecdsa | KeyAlgorithm::Ed25519 => None,
    }
}

/// A size that the API allows (CRT-21) and the crypto library cannot generate. It applies only if a new key would be generated.
pub(super) fn unmakeable_key(spec: &CertificateSpec) -> Option<InvalidSpec> {
    let key = key_spec(spec);
    if key.algorithm != KeyAlgorithm::Rsa || [2048, 3072, 4096, 8192].contains(&key.size) {
        return None;
    }
    broken(
        "spec.privateKey.size",
        format!(
            "{}: new RSA keys have 2048, 3072, 4096 or 8192 bits; certlet cannot make one of another size. Use one of these, \
             or keep the key that is in the Secret with privateKey.rotationPolicy: Never",
            key.size
        ),
    )
}

fn signature_algorithm(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let chosen = spec.signature_algorithm?;
    let algorithm = spec
        .private_key
        .as_ref()
        .and_then(|key| key.algorithm)
        .unwrap_or_default();
    let allowed: &[SignatureAlgorithm] = match algorithm {
        SpecAlgorithm::Rsa => &[
            SignatureAlgorithm::Sha256WithRsa,
            SignatureAlgorithm::Sha384WithRsa,
            SignatureAlgorithm::Sha512WithRsa,
        ],
        SpecAlgorithm::Ecdsa => &[
            SignatureAlgorithm::EcdsaWithSha256,
            SignatureAlgorithm::EcdsaWithSha384,
            SignatureAlgorithm::EcdsaWithSha512,
        ],
        SpecAlgorithm::Ed25519 => &[SignatureAlgorithm::PureEd25519],
    };
    if allowed.contains(&chosen) {
        return None;
    }
    let names: Vec<&str> = allowed.iter().map(|allowed| allowed.as_str()).collect();
    broken(
        "spec.signatureAlgorithm",
        format!(
            "{chosen}: for key algorithm {algorithm} the allowed signature algorithms are [{}]",
            names.join(" ")
        ),
    )
}

fn duration(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let duration = spec.duration.filter(|duration| *duration < SHORTEST_DURATION)?;
    broken(
        "spec.duration",
        format!("{duration}: certificate duration must be greater than {SHORTEST_DURATION}"),
    )
}

fn renew_before(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let before = spec.renew_before?;
    let duration = spec.duration.unwrap_or(DEFAULT_DURATION);
    if spec.renew_before_percentage.is_some() {
        return broken(
            "spec.renewBefore",
            "renewBefore and renewBeforePercentage are mutually exclusive and cannot both be set",
        );
    }
    if before < SHORTEST_RENEW_BEFORE {
        return broken(
            "spec.renewBefore",
            format!("{before}: certificate renewBefore must be greater than {SHORTEST_RENEW_BEFORE}"),
        );
    }
    if before >= duration {
        return broken(
            "spec.renewBefore",
            format!("certificate duration {duration} must be greater than renewBefore {before}"),
        );
    }
    None
}

/// It applies only together with a duration, and to the remaining part, as existing manifests rely on (VAL-13, NB-29).
fn renew_before_percentage(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let (percentage, duration) = (spec.renew_before_percentage?, spec.duration?);
    let left = i128::from(duration.as_nanoseconds()) * i128::from(100 - percentage) / 100;
    let path = "spec.renewBeforePercentage";
    if left < i128::from(SHORTEST_RENEW_BEFORE.as_nanoseconds()) {
        let message = format!(
            "{percentage}: certificate renewBeforePercentage must result in a renewBefore greater than {SHORTEST_RENEW_BEFORE}"
        );
        return broken(path, message);
    }
    if left >= i128::from(duration.as_nanoseconds()) {
        let message =
            format!("{percentage}: certificate renewBeforePercentage must result in a renewBefore less than duration");
        return broken(path, message);
    }
    None
}

fn history_limit(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let limit = spec.revision_history_limit.filter(|limit| *limit < 1)?;
    broken("spec.revisionHistoryLimit", format!("{limit}: must not be less than 1"))
}

fn secret_template(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let template = spec.secret_template.as_ref()?;
    let forbidden = |key: &&String| key.starts_with("cert-manager.io/") && *key != annotation::ALLOW_DIRECT_INJECTION;
    let key = template.annotations.keys().find(forbidden)?;
    broken(
        "spec.secretTemplate.annotations",
        format!("{key:?}: cert-manager.io/* annotations are not allowed"),
    )
}

fn name_constraints(spec: &CertificateSpec, settings: &Settings) -> Option<InvalidSpec> {
    let constraints = spec.name_constraints.as_ref()?;
    let path = "spec.nameConstraints";
    if !settings.gates.name_constraints {
        return broken(path, "feature gate NameConstraints must be enabled");
    }
    if !spec.is_ca.unwrap_or(false) {
        return broken(path, "isCa should be true when nameConstraints is set");
    }
    if constraints.permitted.is_none() && constraints.excluded.is_none() {
        return broken(path, "either permitted or excluded must be set");
    }
    super::request::name_constraints(spec)
        .and_then(|constraints| constraints.to_der().err())
        .and_then(|error| broken(path, error.to_string()))
}

fn output_formats(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let formats = &spec.additional_output_formats;
    let (at, format) = formats
        .iter()
        .enumerate()
        .find(|(at, format)| formats.iter().take(*at).any(|other| other == *format))?;
    broken(
        format!("spec.additionalOutputFormats[{at}].type"),
        format!("Duplicate value: {:?}", format.type_.as_str()),
    )
}

fn keystores(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    spec.each_keystore().find_map(|store| {
        let (kind, path) = (store.kind, format!("spec.keystores.{}", store.kind.field()));
        match (store.password, store.password_secret_ref.is_some()) {
            (Some(_), true) => broken(
                path,
                format!("exactly one of passwordSecretRef and password must be provided for {kind} keystores; cannot set both"),
            ),
            (None, false) => broken(path, format!("must set exactly one of passwordSecretRef and password must for {kind} keystores")),
            (Some(""), false) => broken(format!("{path}.password"), format!("literal password cannot be empty if set on {kind} keystores")),
            (Some(_), false) | (None, true) => None,
        }
    })
}

fn windows(spec: &CertificateSpec, _: &Settings) -> Option<InvalidSpec> {
    let renewal = spec.renewal.as_ref()?;
    if renewal.policy == Some(RenewalPolicy::Disabled) && !renewal.windows.is_empty() {
        return broken(
            "spec.renewal.windows",
            "windows cannot be set when `renewal.policy` is set to Disabled",
        );
    }
    let count = renewal.windows.len();
    let mut each = renewal.windows.iter().enumerate();
    let error = if count > MAX_WINDOWS {
        WindowError::TooMany { count }
    } else {
        each.find_map(|(at, window)| window.read(at).err())?
    };
    let text = error.to_string();
    let (path, message) = text.split_once(": ").unwrap_or(("spec.renewal.windows", &text));
    broken(path, message)
}
