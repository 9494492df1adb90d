//! Profiles: the usages and the lifetime of a certificate.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;

use super::{Error, cfssl};
use crate::pki::certificate::END_OF_TIME;
use crate::pki::csr::CsrInfo;
use crate::pki::name::SubjectAltNames;
use crate::pki::sign::{Extras, Validity};
use crate::pki::usage::{Usage, UsageSet};

/// Flags for the usages and the lifetime.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ProfileArgs {
    /// Profile: server, client, peer (both), or one of --config
    #[arg(long)]
    profile: Option<String>,
    /// File with profiles: cfssl's ca-config.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Validity in days [default: that of the profile, or 365]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
}

/// A parsed profile.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    extras: Extras,
    lifetime: SignedDuration,
    backdate: SignedDuration,
    /// Expression that each name must match somewhere (`name_whitelist`).
    whitelist: Option<Regex>,
    /// Warnings about keys that have no effect.
    pub(super) remarks: Vec<String>,
}

/// How far in the past a certificate begins to be valid, to tolerate clock skew. cfssl's default.
pub(super) const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

const YEAR: SignedDuration = SignedDuration::from_hours(8760);

const BUILT_IN: [(&str, &[Usage]); 3] = [
    (
        "server",
        &[Usage::DigitalSignature, Usage::KeyEncipherment, Usage::ServerAuth],
    ),
    (
        "client",
        &[Usage::DigitalSignature, Usage::KeyEncipherment, Usage::ClientAuth],
    ),
    (
        "peer",
        &[
            Usage::DigitalSignature,
            Usage::KeyEncipherment,
            Usage::ServerAuth,
            Usage::ClientAuth,
        ],
    ),
];

impl ProfileArgs {
    /// Finds the profile in the file, then among the built-in ones.
    pub(super) fn resolve(&self) -> Result<Profile, Error> {
        let config: cfssl::Config = self.config.as_deref().map(cfssl::read).transpose()?.unwrap_or_default();
        let default = config.signing.default.clone();
        let found = match &self.profile {
            None => default.clone().or_else(|| Some(cfssl::Profile::default())),
            Some(name) => config.signing.profiles.get(name).cloned(),
        };
        let built_in = self
            .profile
            .as_ref()
            .and_then(|name| BUILT_IN.iter().find(|(known, _)| known == name));
        let name = self.profile.as_deref().unwrap_or("default");
        let mut profile = match (found, built_in) {
            (Some(profile), _) => Profile::from_cfssl(name, &profile, default.as_ref())?,
            (None, Some((_, usages))) => Profile::of(usages),
            (None, None) => return Err(self.unknown(&config)),
        };
        profile.remarks.extend(config.remarks());
        if let Some(days) = self.days {
            profile.lifetime = days_long(days);
        }
        Ok(profile)
    }

    fn unknown(&self, config: &cfssl::Config) -> Error {
        let known: Vec<&str> = config
            .signing
            .profiles
            .keys()
            .map(String::as_str)
            .chain(BUILT_IN.iter().map(|(name, _)| *name))
            .collect();
        Error::Usage(format!(
            "there is no profile {:?}; there are: {}",
            self.profile.as_deref().unwrap_or_default(),
            known.join(", ")
        ))
    }
}

impl Profile {
    fn of(usages: &[Usage]) -> Self {
        let extras = Extras {
            usages: usages.iter().copied().collect(),
            ..Extras::default()
        };
        Self {
            extras,
            lifetime: YEAR,
            backdate: BACKDATE,
            whitelist: None,
            remarks: Vec::new(),
        }
    }

    /// Resolves a profile as cfssl does: missing values come from the default profile, then from cfssl's built-in defaults.
    pub(super) fn from_cfssl(
        name: &str,
        profile: &cfssl::Profile,
        default: Option<&cfssl::Profile>,
    ) -> Result<Self, Error> {
        let expiry = profile.expiry.as_deref().or_else(|| default?.expiry.as_deref());
        let usages = [&profile.usages]
            .into_iter()
            .chain(default.map(|default| &default.usages))
            .find(|list| !list.is_empty());
        let is_ca = profile.ca_constraint.is_ca;
        let usages: UsageSet = match usages {
            Some(names) => names.iter().map(|name| usage(name)).collect::<Result<_, _>>()?,
            None => BUILT_IN
                .iter()
                .filter(|(name, _)| *name == "peer")
                .flat_map(|(_, usages)| usages.iter().copied())
                .collect(),
        };
        let urls = |url: &Option<String>| url.iter().filter(|url| !url.is_empty()).cloned().collect();
        let whitelist = profile.name_whitelist.as_deref().filter(|pattern| !pattern.is_empty());
        Ok(Self {
            lifetime: expiry.map(cfssl::duration).transpose()?.unwrap_or(YEAR),
            backdate: profile
                .backdate
                .as_deref()
                .map(cfssl::duration)
                .transpose()?
                .unwrap_or(BACKDATE),
            extras: Extras {
                usages,
                is_ca,
                max_path_len: profile.ca_constraint.path_len().filter(|_| is_ca),
                subject_key_id: None,
                crl_distribution_points: urls(&profile.crl_url),
                ocsp_servers: urls(&profile.ocsp_url),
                issuing_certificate_urls: profile.issuer_urls.clone(),
            },
            whitelist: whitelist.map(|pattern| expression(name, pattern)).transpose()?,
            remarks: profile.remarks(name)?,
        })
    }

    pub(super) fn extras(&self) -> &Extras {
        &self.extras
    }

    /// Removes host names and e-mail addresses from the names of a CA certificate, as cfssl does.
    pub(super) fn fit(&self, names: &mut SubjectAltNames) {
        if self.extras.is_ca {
            names.dns.clear();
            names.emails.clear();
        }
    }

    /// Refuses names that do not match `name_whitelist`: the common name, host names, e-mail addresses and URIs. As in cfssl, IP
    /// addresses need no match. Names of other types cannot be matched and are refused.
    pub(super) fn allows(&self, request: &CsrInfo) -> Result<(), Error> {
        let Some(whitelist) = &self.whitelist else {
            return Ok(());
        };
        let SubjectAltNames {
            dns,
            emails,
            ips: _,
            uris,
            others,
            foreign,
        } = &request.sans;
        let common_name = request.common_name();
        let mut names = common_name.iter().chain(dns).chain(emails).chain(uris);
        if let Some(name) = names.find(|name| !whitelist.is_match(name)) {
            return Err(Error::Usage(format!(
                "the profile does not allow the name {name:?}: its name_whitelist is {:?}",
                whitelist.as_str()
            )));
        }
        if others.is_empty() && foreign.is_empty() {
            return Ok(());
        }
        Err(Error::Usage(
            "the request has names of a type that name_whitelist of the profile does not cover".into(),
        ))
    }

    pub(super) fn validity(&self, now: Timestamp) -> Result<Validity, Error> {
        validity(now, self.backdate, self.lifetime)
    }
}

fn expression(profile: &str, pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| {
        Error::Usage(format!(
            "the name_whitelist {pattern:?} of the profile {profile:?} cannot be parsed: {error}"
        ))
    })
}

/// The validity, with its start rounded down to a minute as in cfssl.
pub(super) fn validity(now: Timestamp, backdate: SignedDuration, lifetime: SignedDuration) -> Result<Validity, Error> {
    let wrong = |_| Error::Usage("the validity would end after the year 9999".into());
    let minute = (now.as_second() + 30).div_euclid(60) * 60;
    let not_before = Timestamp::from_second(minute)
        .and_then(|start| start.checked_sub(backdate))
        .map_err(wrong)?;
    let not_after = not_before.checked_add(lifetime).map_err(wrong)?;
    if not_after <= now {
        return Err(Error::Usage(
            "the certificate would be expired already; use a longer validity".into(),
        ));
    }
    Ok(Validity { not_before, not_after })
}

/// A validity from now without an end (RFC 5280 section 4.1.2.5).
pub(super) fn endless(now: Timestamp, backdate: SignedDuration) -> Result<Validity, Error> {
    let second = SignedDuration::from_secs(1);
    let not_before = validity(now, backdate, backdate.saturating_add(YEAR).saturating_add(second))?.not_before;
    Ok(Validity {
        not_before,
        not_after: END_OF_TIME,
    })
}

pub(super) fn days_long(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

/// Parses a usage. cfssl misspells one of them.
fn usage(name: &str) -> Result<Usage, Error> {
    match name {
        "content committment" => Ok(Usage::ContentCommitment),
        name => Ok(name.parse()?),
    }
}
