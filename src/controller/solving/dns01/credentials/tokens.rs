//! Providers with a token, a key or accounts in one Secret.

use super::{Place, Provider, Secret};
use crate::{
    api::dns01::{AcmeDns, Cloudflare, DigitalOcean},
    cloud::fault::{Fault, FaultKind},
    pki::hidden::Hidden,
    solver::dns01::{acmedns, cloudflare, digitalocean},
};

impl Secret {
    /// The value as a token: a text without white space at its ends, such as the newline that an editor adds.
    ///
    /// # Errors
    /// If it is no text, or empty.
    pub(super) fn token(&self) -> Result<Hidden<String>, Fault> {
        let wrong = |what: &str| Fault::new(FaultKind::Credential, format!("{} {what}", self.text));
        let text = std::str::from_utf8(self.bytes()).map_err(|_| wrong("is no text"))?;
        match text.trim_ascii() {
            "" => Err(wrong("has white space only")),
            token => Ok(Hidden::new(token.to_owned())),
        }
    }
}

/// An acme-dns server (DNS-08): accounts by domain.
pub(super) async fn acme_dns(place: &Place<'_>, settings: &AcmeDns) -> Result<Provider, Fault> {
    let AcmeDns {
        account_secret_ref,
        host,
    } = settings;
    let accounts = place.secret(account_secret_ref).await?;
    let server = acmedns::Server::new(place.cloud, host, accounts.bytes(), accounts.text.clone());
    server.map(Provider::AcmeDns)
}

/// `DigitalOcean` (DNS-07): a token.
pub(super) async fn digital_ocean(place: &Place<'_>, settings: &DigitalOcean) -> Result<Provider, Fault> {
    let DigitalOcean { token_secret_ref } = settings;
    let secret = place.secret(token_secret_ref).await?;
    let base = Place::url(digitalocean::URL)?;
    let account = digitalocean::Account::new(place.cloud, base, &secret.token()?, secret.text);
    account.map(Provider::DigitalOcean)
}

/// Cloudflare (DNS-04): a token, or an e-mail address with a key.
pub(super) async fn cloudflare(place: &Place<'_>, settings: &Cloudflare) -> Result<Provider, Fault> {
    let Cloudflare {
        api_key_secret_ref,
        api_token_secret_ref,
        email,
    } = settings;
    let wrong = |sentence: &str| Fault::new(FaultKind::Credential, sentence);
    let token = place.optional(api_token_secret_ref.as_ref()).await?;
    let key = place.optional(api_key_secret_ref.as_ref()).await?;
    let (login, secret) = match (token, key, email.as_deref().filter(|email| !email.is_empty())) {
        (Some(_), Some(_), _) => {
            return Err(wrong(
                "cloudflare.apiTokenSecretRef and cloudflare.apiKeySecretRef are both set: keep one of them, the token if you can",
            ));
        }
        (Some(token), None, _) => (cloudflare::Login::Token(token.token()?), token),
        (None, Some(key), Some(email)) => {
            let login = cloudflare::Login::Key {
                email: email.to_owned(),
                key: key.token()?,
            };
            (login, key)
        }
        (None, Some(_), None) => {
            return Err(wrong(
                "cloudflare.apiKeySecretRef is set and cloudflare.email is not: set both, or use an API token",
            ));
        }
        (None, None, _) => {
            return Err(wrong(
                "cloudflare.apiTokenSecretRef is not set: name the Secret of an API token",
            ));
        }
    };
    let base = Place::url(cloudflare::URL)?;
    cloudflare::Account::new(place.cloud, base, &login, secret.text).map(Provider::Cloudflare)
}
