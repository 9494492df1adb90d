//! The policy of a zone: which names, subjects and keys it allows. A request that it does not allow is not sent, as in cert-manager; the server
//! has the last word about every other.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};

use crate::{
    pki::{
        csr::CsrInfo,
        key::{KeyAlgorithm, KeySpec},
        name::Subject,
    },
    text::{excerpt, first_few},
};

/// The longest pattern, and the longest text that is compared with one, in bytes. Of longer ones the server judges.
const LONGEST: usize = 1_000;
/// The largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 64 << 10;
/// The most rules of one list.
const MOST_RULES: usize = 200;
/// The most rules that a sentence names.
const MOST_NAMED: usize = 5;

/// What a value may be.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Anything.
    Any,
    /// This text.
    Exactly(String),
    /// A domain, or a name below it.
    Within {
        /// The domain.
        domain: String,
        /// Whether only names below it are allowed.
        strictly: bool,
        /// Whether a label may have an asterisk.
        wildcards: bool,
    },
    /// A pattern.
    Pattern(String, Regex),
    /// A pattern that certlet cannot read: the server judges.
    Unreadable,
}

impl Rule {
    /// A pattern for the whole text.
    pub(super) fn pattern(text: &str) -> Self {
        if text.len() > LONGEST {
            return Self::Unreadable;
        }
        let begin = if text.starts_with('^') { "" } else { "^" };
        let end = if text.ends_with('$') { "" } else { "$" };
        let compiled = RegexBuilder::new(&format!("{begin}{text}{end}"))
            .size_limit(LARGEST_PATTERN)
            .build();
        compiled.map_or(Self::Unreadable, |regex| Self::Pattern(text.to_owned(), regex))
    }

    fn allows(&self, text: &str) -> bool {
        match self {
            Self::Any | Self::Unreadable => true,
            Self::Exactly(wanted) => text == wanted,
            Self::Within {
                domain,
                strictly,
                wildcards,
            } => {
                let Some(below) = text.strip_suffix(domain.as_str()) else {
                    return false;
                };
                let Some(labels) = below.strip_suffix('.') else {
                    return below.is_empty() && !strictly;
                };
                let fits = |character: char| {
                    character.is_alphanumeric() || character == '-' || (*wildcards && character == '*')
                };
                labels
                    .split('.')
                    .all(|label| !label.is_empty() && label.chars().all(fits))
            }
            Self::Pattern(_, regex) => text.len() > LONGEST || regex.is_match(text),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::Unreadable => f.write_str(".*"),
            Self::Exactly(text) | Self::Pattern(text, _) => f.write_str(&excerpt(text)),
            Self::Within { domain, strictly, .. } => {
                write!(f, "{}{}", if *strictly { "*." } else { "[*.]" }, excerpt(domain))
            }
        }
    }
}

/// The rules for a value, of which one must allow it. Without rules, nothing is allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(pub(super) Vec<Rule>);

impl Rules {
    /// Anything is allowed.
    pub(super) fn any() -> Self {
        Self(vec![Rule::Any])
    }

    /// Patterns.
    pub(super) fn patterns(texts: Option<Vec<String>>) -> Self {
        let texts = texts.unwrap_or_default();
        if texts.len() > MOST_RULES {
            return Self(vec![Rule::Unreadable]);
        }
        Self(texts.iter().map(|text| Rule::pattern(text)).collect())
    }

    /// Domains, and names below them. One that begins with a dot stands only for names below it.
    pub(super) fn domains(domains: &[String], wildcards: bool) -> Self {
        if domains.len() > MOST_RULES {
            return Self(vec![Rule::Unreadable]);
        }
        let rule = |domain: &String| Rule::Within {
            strictly: domain.starts_with('.'),
            domain: domain.strip_prefix('.').unwrap_or(domain).to_owned(),
            wildcards,
        };
        Self(domains.iter().map(rule).collect())
    }

    /// The first value that no rule allows.
    fn forbidden<'a>(&self, values: &'a [String]) -> Option<&'a str> {
        let mut values = values.iter().map(String::as_str);
        values.find(|value| !self.0.iter().any(|rule| rule.allows(value)))
    }

    fn named(&self) -> String {
        if self.0.is_empty() {
            return "none is".to_owned();
        }
        let names: Vec<String> = self.0.iter().take(MOST_RULES).map(ToString::to_string).collect();
        format!("allowed: {}", first_few(&names, MOST_NAMED))
    }
}

/// Which keys of one algorithm are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// Those with at least so many bits.
    AtLeast(u32),
    /// Those with exactly so many bits; 0 stands for Ed25519.
    OneOf(Vec<u32>),
}

/// Which keys are allowed; `None` if no key of the algorithm is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// RSA.
    pub(super) rsa: Option<Sizes>,
    /// ECDSA, and Ed25519.
    pub(super) curves: Option<Sizes>,
}

impl Keys {
    fn allows(&self, key: KeySpec) -> bool {
        let sizes = match key.algorithm {
            KeyAlgorithm::Rsa => &self.rsa,
            KeyAlgorithm::Ecdsa | KeyAlgorithm::Ed25519 => &self.curves,
        };
        match sizes {
            None => false,
            Some(Sizes::AtLeast(bits)) => key.size >= *bits,
            Some(Sizes::OneOf(bits)) => bits.contains(&key.size),
        }
    }
}

/// The bits of a curve, by its name; 0 for Ed25519. As in cert-manager, an unknown one is P-256.
pub(super) fn curve_bits(name: &str) -> u32 {
    match name.to_ascii_uppercase().as_str() {
        "P384" | "P-384" => 384,
        "P521" | "P-521" => 521,
        "ED25519" => 0,
        _ => 256,
    }
}

/// A part of the subject: what the zone fills in, and what it allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// The values for a request without one.
    pub(super) default: Vec<String>,
    /// What it may be.
    pub(super) rules: Rules,
}

/// The policy of a zone.
#[derive(Clone, Debug, Default)]
pub(super) struct Policy {
    pub(super) common_name: Rules,
    pub(super) dns: Rules,
    pub(super) organization: Part,
    pub(super) organizational_unit: Part,
    pub(super) province: Part,
    pub(super) locality: Part,
    pub(super) country: Part,
    /// `None` if all are allowed.
    pub(super) keys: Option<Keys>,
    /// The bits of RSA keys that the zone wants by default.
    pub(super) rsa_bits: Option<u32>,
}

impl Policy {
    /// Whether the comparison may take long.
    pub(super) fn is_slow(&self) -> bool {
        [
            &self.common_name,
            &self.dns,
            &self.organization.rules,
            &self.organizational_unit.rules,
            &self.province.rules,
            &self.locality.rules,
            &self.country.rules,
        ]
        .into_iter()
        .any(|rules| rules.0.iter().any(|rule| matches!(rule, Rule::Pattern(..))))
    }

    /// Why the policy does not allow a request, as a sentence.
    pub(super) fn violation(&self, csr: &CsrInfo) -> Option<String> {
        let Subject {
            common_name,
            organizations,
            organizational_units,
            countries,
            localities,
            provinces,
            street_addresses: _,
            postal_codes: _,
            serial_number: _,
        } = Subject::from_name(&csr.subject);
        let refused = |what: &str, values: &[String], rules: &Rules| {
            let value = rules.forbidden(values)?;
            Some(format!(
                "{what} {:?} is not allowed in this policy ({})",
                excerpt(value),
                rules.named()
            ))
        };
        let of_subject = |what: &str, values: Vec<String>, part: &Part| {
            let values = if values.is_empty() {
                part.default.clone()
            } else {
                values
            };
            let values = if values.is_empty() { vec![String::new()] } else { values };
            refused(what, &values, &part.rules)
        };
        let key = csr.key_spec();
        refused("common name", &[common_name], &self.common_name)
            .or_else(|| refused("DNS name", &csr.sans.dns, &self.dns))
            .or_else(|| of_subject("organization", organizations, &self.organization))
            .or_else(|| of_subject("organizational unit", organizational_units, &self.organizational_unit))
            .or_else(|| of_subject("state or province", provinces, &self.province))
            .or_else(|| of_subject("location", localities, &self.locality))
            .or_else(|| of_subject("country", countries, &self.country))
            .or_else(|| {
                let forbidden = self.keys.as_ref().is_some_and(|keys| !keys.allows(key));
                forbidden.then(|| {
                    format!(
                        "the requested Key Type and Size ({key}) do not match any of the allowed Key Types and Sizes"
                    )
                })
            })
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
