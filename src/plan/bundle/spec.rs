//! The spec of a Bundle, parsed. What trust-manager's webhook refuses at the API server is refused here: certlet has no webhook.

use std::collections::BTreeSet;

use super::{Selector, target::TargetKind};
use crate::{
    api::{
        bundle::{
            AdditionalFormats, BundleSource, BundleSpec, DEFAULT_JKS_PASSWORD, JksFormat, Pkcs12Format,
            RESERVED_PREFIXES, SourceObject, TargetTemplate,
        },
        keystore::Pkcs12Profile,
    },
    pki::keystore::Profile,
};

/// A valid spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The sources, in their order.
    pub sources: Vec<Source>,
    /// The target ConfigMaps.
    pub config_map: Option<TargetTemplate>,
    /// The target Secrets.
    pub secret: Option<TargetTemplate>,
    /// A JKS file: its key and password.
    pub jks: Option<(String, String)>,
    /// A PKCS#12 file: its key and password, and the profile as it is written.
    pub pkcs12: Option<(String, String, Option<Pkcs12Profile>)>,
    /// The Namespaces with targets.
    pub namespaces: Selector,
}

/// A source.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// ConfigMaps in the trust namespaces.
    ConfigMap(ObjectSource),
    /// Secrets there.
    Secret(ObjectSource),
    /// Certificates in PEM.
    InLine(String),
    /// The default CAs.
    DefaultCas,
}

/// Which objects, and what of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectSource {
    /// Which objects.
    pub choice: Choice,
    /// What of them.
    pub keys: Keys,
}

/// Which objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// The one of this name.
    Name(String),
    /// Those with these labels.
    Labels(Selector),
}

/// What of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// One key.
    One(String),
    /// All of them.
    All,
}

impl Parsed {
    /// The kinds of targets.
    pub fn kinds(&self) -> impl Iterator<Item = TargetKind> {
        let config_map = self.config_map.as_ref().map(|_| TargetKind::ConfigMap);
        config_map
            .into_iter()
            .chain(self.secret.as_ref().map(|_| TargetKind::Secret))
    }

    /// The template of a kind of targets.
    pub const fn template(&self, kind: TargetKind) -> Option<&TargetTemplate> {
        match kind {
            TargetKind::ConfigMap => self.config_map.as_ref(),
            TargetKind::Secret => self.secret.as_ref(),
        }
    }

    /// The algorithms of the PKCS#12 file.
    pub fn profile(&self) -> Profile {
        let written = self.pkcs12.as_ref().and_then(|(_, _, profile)| *profile);
        match written.unwrap_or_default() {
            Pkcs12Profile::LegacyRc2 => Profile::LegacyRc2,
            Pkcs12Profile::LegacyDes => Profile::LegacyDes,
            Pkcs12Profile::Modern2023 => Profile::Modern2023,
            Pkcs12Profile::Modern2026 => Profile::Modern2026,
        }
    }
}

/// Parses the spec of the Bundle `name`.
///
/// # Errors
/// A sentence with the field and what it must be.
pub fn parse(name: &str, spec: &BundleSpec) -> Result<Parsed, String> {
    let BundleSpec { sources, target } = spec;
    let mut parsed = Vec::with_capacity(sources.len());
    for (at, source) in sources.iter().enumerate() {
        parsed.extend(source_of(source).map_err(|why| format!("spec.sources[{at}] {why}"))?);
    }
    if parsed.is_empty() {
        return Err("spec.sources must have at least one source".to_owned());
    }
    if sources.iter().filter(|source| source.use_default_cas.is_some()).count() > 1 {
        return Err("spec.sources may request the default CAs once".to_owned());
    }
    let namespaces = target.namespace_selector.as_ref().map(Selector::of).transpose();
    let namespaces = namespaces.map_err(|why| format!("spec.target.namespaceSelector: {why}"))?;
    let AdditionalFormats { jks, pkcs12 } = target.additional_formats.clone().unwrap_or_default();
    let parsed = Parsed {
        sources: parsed,
        config_map: target.config_map.clone(),
        secret: target.secret.clone(),
        jks: jks.map(|JksFormat { key, password }| {
            let password = password.filter(|password| !password.is_empty());
            (key, password.unwrap_or_else(|| DEFAULT_JKS_PASSWORD.to_owned()))
        }),
        pkcs12: pkcs12.map(|Pkcs12Format { key, password, profile }| (key, password.unwrap_or_default(), profile)),
        namespaces: namespaces.unwrap_or_default(),
    };
    targets(&parsed)?;
    no_circle(name, &parsed)?;
    Ok(parsed)
}

/// A source; `None` for default CAs that are not wanted.
fn source_of(source: &BundleSource) -> Result<Option<Source>, String> {
    let BundleSource {
        config_map,
        secret,
        in_line,
        use_default_cas,
    } = source;
    let in_line = in_line.as_ref().filter(|text| !text.is_empty());
    match (config_map, secret, in_line, use_default_cas) {
        (Some(object), None, None, None) => Ok(Some(Source::ConfigMap(object_of("configMap", object)?))),
        (None, Some(object), None, None) => Ok(Some(Source::Secret(object_of("secret", object)?))),
        (None, None, Some(text), None) => Ok(Some(Source::InLine(text.clone()))),
        (None, None, None, Some(wanted)) => Ok(wanted.then_some(Source::DefaultCas)),
        _ => Err("must have exactly one of configMap, secret, inLine and useDefaultCAs".to_owned()),
    }
}

fn object_of(field: &str, object: &SourceObject) -> Result<ObjectSource, String> {
    let SourceObject {
        name,
        selector,
        key,
        include_all_keys,
    } = object;
    let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let choice = match (set(name), selector) {
        (Some(name), None) => Choice::Name(name),
        (None, Some(selector)) => {
            Choice::Labels(Selector::of(selector).map_err(|why| format!("{field}.selector: {why}"))?)
        }
        (Some(_), Some(_)) | (None, None) => return Err(format!("{field} must have either name or selector")),
    };
    let keys = match (set(key), include_all_keys.unwrap_or_default()) {
        (Some(key), false) => Keys::One(key),
        (None, true) => Keys::All,
        (Some(_), true) | (None, false) => {
            return Err(format!("{field} must have either key or includeAllKeys: true"));
        }
    };
    Ok(ObjectSource { choice, keys })
}

/// Every file of a target has a key of its own, and metadata does not touch what the controller itself sets.
fn targets(parsed: &Parsed) -> Result<(), String> {
    let Parsed {
        config_map,
        secret,
        jks,
        pkcs12,
        ..
    } = parsed;
    let templates = [("configMap", config_map), ("secret", secret)];
    let templates: Vec<(&str, &TargetTemplate)> = templates
        .into_iter()
        .filter_map(|(field, template)| Some((field, template.as_ref()?)))
        .collect();
    if templates.is_empty() {
        return Err("spec.target must have configMap, secret or both".to_owned());
    }
    let mut taken: BTreeSet<&str> = templates.iter().map(|(_, template)| template.key.as_str()).collect();
    let formats = [
        ("jks", jks.as_ref().map(|(key, _)| key)),
        ("pkcs12", pkcs12.as_ref().map(|(key, ..)| key)),
    ];
    for (field, key) in formats {
        if let Some(key) = key
            && !taken.insert(key)
        {
            return Err(format!(
                "spec.target.additionalFormats.{field}.key is {key:?}, which another file of the target has"
            ));
        }
    }
    for (field, template) in templates {
        let keys = template.labels().chain(template.annotations()).map(|(key, _)| key);
        for key in keys {
            if RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
                return Err(format!(
                    "spec.target.{field}.metadata may not set {key:?}, which belongs to the controller"
                ));
            }
        }
    }
    Ok(())
}

/// A Bundle does not read what it writes.
fn no_circle(name: &str, parsed: &Parsed) -> Result<(), String> {
    for source in &parsed.sources {
        let (kind, object) = match source {
            Source::ConfigMap(object) => (TargetKind::ConfigMap, object),
            Source::Secret(object) => (TargetKind::Secret, object),
            Source::InLine(_) | Source::DefaultCas => continue,
        };
        let Some(template) = parsed.template(kind) else {
            continue;
        };
        let is_own = matches!(&object.choice, Choice::Name(source) if source == name)
            && matches!(&object.keys, Keys::One(key) if *key == template.key);
        if is_own {
            return Err(format!(
                "the source {kind} {name:?}, key {:?}, is also the target",
                template.key
            ));
        }
    }
    Ok(())
}
