//! Providers with what their Secrets contain. Secrets are read when they are needed, and never kept in a form that can be printed.

mod built_in;
mod clouds;
mod route53;
mod tokens;

use super::{Provider, access::Allows, webhook};
use reqwest::Url;

use crate::{
    api::{
        SecretKeySelector,
        dns01::{BUILT_IN_GROUP, Dns01},
    },
    cloud::{
        Cloud,
        fault::{Fault, FaultKind},
    },
    controller::Ports,
    pki::hidden::Hidden,
    plan::seen::ObjectKey,
    solver::dns01::rfc2136,
};

/// Where credentials come from.
pub(super) struct Place<'a> {
    /// To read Secrets.
    pub(super) ports: &'a Ports,
    /// How APIs are reached.
    pub(super) cloud: &'a Cloud,
    /// The namespace of Secrets and ServiceAccounts.
    pub(super) namespace: &'a str,
    /// What the issuer allows.
    pub(super) allows: Allows,
}

/// The provider that the settings of a solver name.
///
/// # Errors
/// What of the settings or the Secrets is missing or wrong.
pub(super) async fn provider(place: &Place<'_>, settings: &Dns01) -> Result<Provider, Fault> {
    if let Some(rfc2136) = &settings.rfc2136 {
        let secret = place.optional(rfc2136.tsig_secret_secret_ref.as_ref()).await?;
        let secret = secret.as_ref().map(|secret| (secret.text.as_str(), secret.bytes()));
        return rfc2136::Server::new(rfc2136, secret, &place.ports.settings.outgoing).map(Provider::Rfc2136);
    }
    if let Some(settings) = &settings.akamai {
        return clouds::akamai(place, settings).await;
    }
    if let Some(settings) = &settings.azure_dns {
        return clouds::azure_dns(place, settings).await;
    }
    if let Some(settings) = &settings.cloud_dns {
        return clouds::cloud_dns(place, settings).await;
    }
    if let Some(settings) = &settings.route53 {
        return route53::route53(place, settings).await.map(Provider::Route53);
    }
    if let Some(settings) = &settings.cloudflare {
        return tokens::cloudflare(place, settings).await;
    }
    if let Some(settings) = &settings.acme_dns {
        return tokens::acme_dns(place, settings).await;
    }
    if let Some(settings) = &settings.digitalocean {
        return tokens::digital_ocean(place, settings).await;
    }
    if let Some(settings) = &settings.webhook {
        if settings.group_name == BUILT_IN_GROUP {
            return built_in::built_in(place, settings).await;
        }
        let reader = place.ports.reader.clone();
        let solver = webhook::Solver::new(reader, settings, place.namespace, place.allows);
        return Ok(Provider::Webhook(solver));
    }
    Err(Fault::new(
        FaultKind::Other,
        "the dns01 solver has no provider".to_owned(),
    ))
}

/// A value of a Secret.
pub(super) struct Secret {
    /// Which, for sentences: the key and the Secret.
    pub(super) text: String,
    value: Hidden<Vec<u8>>,
}

impl Secret {
    /// The value as it is.
    pub(super) fn bytes(&self) -> &[u8] {
        self.value.expose()
    }
}

impl Place<'_> {
    /// The URL of an API.
    ///
    /// # Errors
    /// If the text is no URL.
    pub(super) fn url(text: &str) -> Result<Url, Fault> {
        text.parse().map_err(|_| {
            let sentence = format!("{text:?} is no URL");
            Fault::new(FaultKind::Other, sentence)
        })
    }

    /// The value that a reference names; `None` without a reference.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(super) async fn optional(&self, reference: Option<&SecretKeySelector>) -> Result<Option<Secret>, Fault> {
        match reference {
            Some(reference) if !reference.name.is_empty() => self.secret(reference).await.map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// The value that a reference names.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(super) async fn secret(&self, reference: &SecretKeySelector) -> Result<Secret, Fault> {
        let SecretKeySelector { name, key } = reference;
        let namespace = self.namespace;
        let text = format!("the Secret {namespace}/{name}");
        let wrong = |what: String| Fault::new(FaultKind::Credential, what);
        let Some(key) = key.as_deref().filter(|key| !key.is_empty()) else {
            return Err(wrong(format!(
                "the issuer does not say which key of {text} to use: add `key` to the reference"
            )));
        };
        let live = self
            .ports
            .reader
            .secret(&ObjectKey::new(namespace, name.as_str()))
            .await;
        let live = live.map_err(|error| Fault::new(FaultKind::Other, format!("{text} cannot be read: {error}")))?;
        let Some(live) = live else {
            return Err(wrong(format!("{text} does not exist: create it with the key {key:?}")));
        };
        match live.data(key) {
            Some([]) => Err(wrong(format!("the key {key:?} of {text} is empty"))),
            Some(value) => Ok(Secret {
                text: format!("the key {key:?} of {text}"),
                value: Hidden::new(value.to_vec()),
            }),
            None => {
                let keys: Vec<&str> = live.seen.data_keys.iter().map(|key| &**key).collect();
                let keys = if keys.is_empty() {
                    "nothing".to_owned()
                } else {
                    keys.join(", ")
                };
                Err(wrong(format!("{text} has no key {key:?}; it has {keys}")))
            }
        }
    }
}
