//! Where the CA of a target comes from: its annotations (ANO-10 to ANO-12, CAI-02).

use std::fmt;

use super::Refusal;
use crate::{
    api::names::annotation,
    plan::{
        object_name::is_name,
        seen::{ObjectKey, Pairs},
        settings::Settings,
    },
};

/// The annotations that request an injection, in the order of their precedence (CAI-02).
pub const ANNOTATIONS: [&str; 3] = [
    annotation::INJECT_CA_FROM_SECRET,
    annotation::INJECT_CA_FROM,
    annotation::INJECT_APISERVER_CA,
];

/// Where a CA comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaSource {
    /// `ca.crt` of a Secret that allows it (ANO-11).
    Secret(ObjectKey),
    /// `ca.crt` in the Secret of a Certificate (ANO-10).
    Certificate(ObjectKey),
    /// The CA by which certlet itself trusts the API server (ANO-12).
    ApiServer,
}

impl fmt::Display for CaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(key) => write!(f, "Secret {key}"),
            Self::Certificate(key) => write!(f, "Certificate {key}"),
            Self::ApiServer => f.write_str("the API server"),
        }
    }
}

/// The source that the annotations of an object name; `None` if it requests no injection.
///
/// # Errors
/// [`Refusal`] if the annotation that counts names nothing. One of lower precedence does not take its place.
pub fn source_of(annotations: &Pairs) -> Option<Result<CaSource, Refusal>> {
    if let Some(value) = annotations.get(annotation::INJECT_CA_FROM_SECRET) {
        return Some(key(annotation::INJECT_CA_FROM_SECRET, value, "Secret").map(CaSource::Secret));
    }
    if let Some(value) = annotations.get(annotation::INJECT_CA_FROM) {
        return Some(key(annotation::INJECT_CA_FROM, value, "Certificate").map(CaSource::Certificate));
    }
    let of_server = annotations.get(annotation::INJECT_APISERVER_CA) == Some("true");
    of_server.then_some(Ok(CaSource::ApiServer))
}

/// Whether the settings of this installation allow the source (CAI-06).
///
/// # Errors
/// [`Refusal`] if they do not.
pub fn allowed(source: &CaSource, settings: &Settings) -> Result<(), Refusal> {
    let injection = &settings.injection;
    if matches!(source, CaSource::Certificate(_)) && !injection.certificates {
        return Err(Refusal::denied(format!(
            "{source} is no source of CAs: this installation runs with --enable-certificates-data-source=false"
        )));
    }
    let (CaSource::Secret(key) | CaSource::Certificate(key)) = source else {
        return Ok(());
    };
    if injection
        .ignored_namespaces
        .iter()
        .any(|ignored| **ignored == *key.namespace)
    {
        return Err(Refusal::denied(format!(
            "{source} is in a namespace that --ignore-namespaces excludes"
        )));
    }
    match &settings.namespace {
        Some(only) if **only != *key.namespace => Err(Refusal::denied(format!(
            "{source} is outside of namespace {only}, the only one that this installation reads (--namespace)"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Parses `<namespace>/<name>`.
fn key(annotation: &str, value: &str, kind: &str) -> Result<ObjectKey, Refusal> {
    match value.split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(ObjectKey::new(namespace, name)),
        _ => Err(Refusal::denied(format!(
            "annotation {annotation} must name a {kind} as <namespace>/<name>, but is {value:?}",
            value = value.chars().take(MAX_PRINTED).collect::<String>()
        ))),
    }
}

/// The largest part of a wrong value that is printed, in characters.
const MAX_PRINTED: usize = 100;
