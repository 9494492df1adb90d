//! Providers with what their Secrets contain. Secrets are read when they are needed, and never kept in a form that can be printed.

use super::Provider;
use crate::{
    api::{SecretKeySelector, dns01::Dns01},
    controller::Ports,
    pki::hidden::Hidden,
    plan::seen::ObjectKey,
    solver::dns01::{
        fault::{Fault, FaultKind},
        rfc2136,
    },
};

/// The provider that the settings of a solver name, with the Secrets in `namespace`.
///
/// # Errors
/// What of the settings or the Secrets is missing or wrong.
pub(super) async fn provider(ports: &Ports, settings: &Dns01, namespace: &str) -> Result<Provider, Fault> {
    if let Some(rfc2136) = &settings.rfc2136 {
        let secret = match &rfc2136.tsig_secret_secret_ref {
            Some(reference) if !reference.name.is_empty() => Some(Secret::read(ports, namespace, reference).await?),
            Some(_) | None => None,
        };
        let secret = secret
            .as_ref()
            .map(|secret| (secret.text.as_str(), secret.value.expose().as_slice()));
        return rfc2136::Server::new(rfc2136, secret, &ports.settings.outgoing).map(Provider::Rfc2136);
    }
    Err(Fault::new(
        FaultKind::Other,
        "the dns01 solver has no provider that certlet supports".to_owned(),
    ))
}

/// A value of a Secret.
struct Secret {
    /// Which, for sentences.
    text: String,
    value: Hidden<Vec<u8>>,
}

impl Secret {
    async fn read(ports: &Ports, namespace: &str, reference: &SecretKeySelector) -> Result<Self, Fault> {
        let SecretKeySelector { name, key } = reference;
        let text = format!("the Secret {namespace}/{name}");
        let wrong = |what: String| Fault::new(FaultKind::Credential, what);
        let Some(key) = key.as_deref().filter(|key| !key.is_empty()) else {
            return Err(wrong(format!(
                "the issuer does not say which key of {text} to use: add `key` to the reference"
            )));
        };
        let live = ports.reader.secret(&ObjectKey::new(namespace, name.as_str())).await;
        let live = live.map_err(|error| Fault::new(FaultKind::Other, format!("{text} cannot be read: {error}")))?;
        let Some(live) = live else {
            return Err(wrong(format!("{text} does not exist: create it with the key {key:?}")));
        };
        match live.data(key) {
            Some([]) => Err(wrong(format!("the key {key:?} of {text} is empty"))),
            Some(value) => Ok(Self {
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
