//! The certificates of all sources of a Bundle.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    BundleSettings, Choice, Failure, Keys, MOST_BYTES, NOT_FOUND, ObjectSource, Package, Parsed, SOURCE_ERROR, Source,
    TargetKind,
};
use crate::{
    pki::{
        bundle::{self, Pool},
        hidden::Hidden,
    },
    plan::seen::ObjectKey,
};

/// An object that is a source.
#[derive(Debug)]
pub struct Document {
    /// Its kind.
    pub kind: TargetKind,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// Whether it is a Secret for TLS, which has a private key.
    pub is_tls: bool,
    /// What of it is read.
    pub data: BTreeMap<String, Hidden<Vec<u8>>>,
}

/// What was found of a source.
#[derive(Debug)]
pub enum SourceSeen {
    /// The objects. For a source with labels there may be none.
    Documents(Vec<Document>),
    /// No trust namespace has an object of this name.
    Missing,
    /// It needs nothing of the cluster.
    InSpec,
}

/// What the sources have.
#[derive(Debug, Default)]
pub struct Collected {
    /// The certificates.
    pub pool: Pool,
    /// The identifier of the package of default CAs, if it is a source.
    pub package: Option<String>,
    /// What is left out without a filter: sentences.
    pub passed_over: Vec<String>,
}

/// What is given to [`collect`] beside the sources.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The default CAs, if certlet was started with some.
    pub package: Option<&'a Package>,
    /// What the administrator set.
    pub settings: &'a BundleSettings,
}

/// Collects the certificates of the sources, each with what was found of it.
///
/// # Errors
/// The reason and the sentence for the condition, if a source is missing or has something else than certificates, or if no
/// certificate remains.
pub fn collect(
    now: Timestamp,
    parsed: &Parsed,
    seen: &[SourceSeen],
    circumstances: Circumstances<'_>,
) -> Result<Collected, Failure> {
    let Circumstances { package, settings } = circumstances;
    let mut collected = Collected::default();
    let mut add = |place: &dyn Fn() -> String, text: &[u8]| add(now, settings, &mut collected, place, text);
    let mut used = None;
    for (at, (source, seen)) in parsed.sources.iter().zip(seen).enumerate() {
        match source {
            Source::InLine(text) => add(&|| format!("spec.sources[{at}].inLine"), text.as_bytes())?,
            Source::DefaultCas => {
                let package = package.ok_or_else(|| {
                    Failure::new(
                        NOT_FOUND,
                        "Bundle source was not found: certlet has no default CAs; start it with --default-package-location",
                    )
                })?;
                add(&|| "the package of default CAs".to_owned(), package.bundle.as_bytes())?;
                used = Some(package.id.clone());
            }
            Source::ConfigMap(object) => objects(TargetKind::ConfigMap, object, seen, settings, &mut add)?,
            Source::Secret(object) => objects(TargetKind::Secret, object, seen, settings, &mut add)?,
        }
    }
    if collected.pool.is_empty() {
        let filters = match (settings.filter_expired, settings.filter_non_ca) {
            (false, false) => "",
            _ => " that the filters of certlet's flags leave",
        };
        return Err(Failure::new(
            NOT_FOUND,
            format!("Bundle source was not found: the sources have no certificate{filters}"),
        ));
    }
    collected.package = used;
    Ok(collected)
}

type Add<'a> = dyn FnMut(&dyn Fn() -> String, &[u8]) -> Result<(), Failure> + 'a;

fn objects(
    kind: TargetKind,
    object: &ObjectSource,
    seen: &SourceSeen,
    settings: &BundleSettings,
    add: &mut Add<'_>,
) -> Result<(), Failure> {
    let documents = match seen {
        SourceSeen::Documents(documents) => documents,
        SourceSeen::Missing | SourceSeen::InSpec => {
            let name = match &object.choice {
                Choice::Name(name) => format!("{kind} {name:?}"),
                Choice::Labels(selector) => format!("{kind} with labels {selector}"),
            };
            return Err(Failure::new(
                NOT_FOUND,
                format!(
                    "Bundle source was not found: there is no {name} in {}; create it, or remove it from spec.sources",
                    settings.trusted_in_words()
                ),
            ));
        }
    };
    for document in documents {
        let Document {
            kind: _,
            key,
            is_tls,
            data,
        } = document;
        let place = |part: &str| format!("{kind} {key}, key {part:?}");
        match &object.keys {
            Keys::One(part) => match data.get(part) {
                Some(text) => add(&|| place(part), text.expose())?,
                None => {
                    return Err(Failure::new(
                        NOT_FOUND,
                        format!("Bundle source was not found: {kind} {key} has no key {part:?}"),
                    ));
                }
            },
            Keys::All if *is_tls => {
                return Err(Failure::new(
                    SOURCE_ERROR,
                    format!(
                        "Failed to build bundle sources: includeAllKeys would include the private key of {kind} {key}, which is \
                         of type kubernetes.io/tls; name one key"
                    ),
                ));
            }
            Keys::All => {
                for (part, text) in data {
                    add(&|| place(part), text.expose())?;
                }
            }
        }
    }
    Ok(())
}

fn add(
    now: Timestamp,
    settings: &BundleSettings,
    collected: &mut Collected,
    place: &dyn Fn() -> String,
    text: &[u8],
) -> Result<(), Failure> {
    let broken = |why: String| {
        Failure::new(
            SOURCE_ERROR,
            format!("Failed to build bundle sources: {}: {why}", place()),
        )
    };
    let found = bundle::read(text).map_err(|error| broken(error.to_string()))?;
    for anchor in found.anchors {
        let is_out = (settings.filter_expired && now > anchor.not_after) || (settings.filter_non_ca && !anchor.is_ca);
        if !is_out {
            collected.pool.add(anchor);
        }
    }
    if collected.pool.size() > MOST_BYTES {
        return Err(broken(format!(
            "with it the certificates have more than {MOST_BYTES} bytes, which no ConfigMap or Secret can hold"
        )));
    }
    let passed = found.passed_over.into_iter();
    collected
        .passed_over
        .extend(passed.map(|sentence| format!("{}: {sentence}", place())));
    Ok(())
}
