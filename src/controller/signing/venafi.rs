//! Sessions with `CyberArk` Certificate Manager (once Venafi): what an issuer needs of its server, and whether it is Ready.

use std::{sync::Arc, time::Duration};

use reqwest::Url;

use super::{
    Ask, Readiness, Signing,
    secrets::{IssuerSecrets, NoSession},
};
use crate::{
    api::{
        SecretKeySelector,
        names::{annotation, data_key},
        venafi::{VenafiCloud, VenafiIssuer, VenafiNgts, VenafiTpp},
    },
    controller::ControllerError,
    net::Trust,
    pki::hidden::Hidden,
    plan::{
        issuer::{self, FoundIssuer},
        seen::{Meta, RequestSeen},
    },
    process::{clock, metrics::Metrics},
    signer::{
        Refusal, Signer,
        fault::FaultKind,
        venafi::{
            self, Calls, CustomField, Product, Session,
            fields::{CUSTOM_FIELDS, merge, parse},
            login::Login,
            server::Server,
        },
    },
};

/// Keys of Secrets with credentials (ISS-12..14).
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const ACCESS_TOKEN: &str = "access-token";
const CLIENT_ID: &str = "client-id";
const CLIENT_SECRET: &str = "client-secret";
const API_KEY: &str = "api-key";
/// The application that a user gets tokens for if the Secret names none, as in cert-manager.
const USUAL_CLIENT_ID: &str = "cert-manager.io";
/// Where service accounts get tokens, as in cert-manager.
const USUAL_TOKEN_ENDPOINT: &str = "https://auth.apps.paloaltonetworks.com/oauth2/access_token";
/// Digits of a tenant service group.
const TSG_DIGITS: usize = 10;

/// The metrics of this process.
struct Counted(Arc<Metrics>);

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counted")
    }
}

impl Calls for Counted {
    fn called(&self, api_call: &'static str, took: Duration) {
        self.0.venafi.called(api_call, took);
    }

    fn logged_in(&self, is_granted: bool, took: Duration) {
        self.0.venafi.logged_in(is_granted, took);
    }
}

impl Signing {
    pub(super) async fn by_venafi(
        &self,
        issuer: &FoundIssuer,
        spec: &VenafiIssuer,
        request: &RequestSeen,
    ) -> Result<Signer, Refusal> {
        let fields = custom_fields(&issuer.meta, request)?;
        let session = self.venafi_session(&issuer.meta, spec).await;
        let session = session.map_err(|why| {
            let what = "Failed to initialise Certificate Manager client for signing";
            why.refusal(venafi::INIT, what)
        })?;
        Ok(Signer::Venafi { session, fields })
    }

    /// The readiness of a Venafi issuer (RDY-05). The server is called only if `ask` is set, and in its lane if a worker waits for it.
    pub(super) async fn venafi_readiness(
        &self,
        issuer: &Meta,
        spec: &VenafiIssuer,
        ask: Ask,
    ) -> Result<Readiness, ControllerError> {
        let session = match self.venafi_session(issuer, spec).await {
            Ok(session) => session,
            Err(NoSession::Unread(sentence)) => return Err(ControllerError::Failed(sentence)),
            Err(why) => {
                let sentence = format!("error building client: {}", why.sentence());
                return Ok(Readiness::only(Some(issuer::venafi_not_usable(&sentence))));
            }
        };
        let (checked, until) = match self.checked(issuer, &*session, ask).await {
            Ok(checked) => checked,
            Err(next) => return Ok(Readiness::later(next)),
        };
        let verdict = match &checked {
            Ok(()) => issuer::venafi_started(),
            Err(fault) if fault.kind == FaultKind::Denied => issuer::venafi_denied(&fault.sentence),
            Err(fault) => issuer::venafi_not_usable(&fault.sentence),
        };
        Ok(Readiness::checked(verdict, &checked, until))
    }

    async fn venafi_session(&self, issuer: &Meta, spec: &VenafiIssuer) -> Result<Arc<Session>, NoSession> {
        let now = self.ports.now();
        if let Some(session) = self.venafi.recall(issuer, now) {
            return Ok(session);
        }
        let begun = self.venafi.watch();
        let mut secrets = IssuerSecrets::new(&self.ports, issuer);
        let session = self.open(spec, &mut secrets).await?;
        Ok(self.venafi.keep(issuer, session, secrets.into_keys(), &begun, now))
    }

    async fn open(&self, spec: &VenafiIssuer, secrets: &mut IssuerSecrets<'_>) -> Result<Session, NoSession> {
        let VenafiIssuer { cloud, ngts, tpp, zone } = spec;
        let (product, url, trust, login) = match (tpp, cloud, ngts) {
            (Some(tpp), None, None) => {
                let (trust, login) = of_tpp(tpp, secrets).await?;
                (Product::SelfHosted, Some(&tpp.url), trust, login)
            }
            (None, Some(cloud), None) => {
                let VenafiCloud {
                    api_token_secret_ref,
                    url,
                } = cloud;
                let key = secrets.text(api_token_secret_ref, API_KEY).await?;
                (Product::Cloud, url.as_ref(), Trust::default(), Login::ApiKey(key))
            }
            (None, None, Some(ngts)) => {
                let login = of_ngts(ngts, secrets).await?;
                (Product::Ngts, ngts.url.as_ref(), Trust::default(), login)
            }
            _ => {
                let sentence =
                    "please supply one of: tpp, cloud, ngts: exactly one of tpp, cloud, or ngts must be configured";
                return Err(NoSession::Unusable(sentence.to_owned()));
            }
        };
        let url = url.map_or("", String::as_str);
        let calls: Arc<dyn Calls> = Arc::new(Counted(Arc::clone(&self.ports.metrics)));
        let server = Server::new((product, url), &trust, login, &self.ports.http, (calls, clock::now))?;
        let limits = self.ports.settings.size_limits;
        Ok(Session::new(server, zone, limits)?)
    }
}

async fn of_tpp(tpp: &VenafiTpp, secrets: &mut IssuerSecrets<'_>) -> Result<(Trust, Login), NoSession> {
    let VenafiTpp {
        ca_bundle,
        ca_bundle_secret_ref,
        credentials_ref,
        url: _,
    } = tpp;
    let bundle = match (ca_bundle, ca_bundle_secret_ref) {
        (Some(bundle), _) if !bundle.0.is_empty() => Some(bundle.0.clone()),
        (_, Some(reference)) => Some(secrets.value(reference, data_key::CA_CRT).await?.expose().clone()),
        (_, None) => None,
    };
    let trust = Trust {
        ca_bundle: bundle,
        skip_verify: false,
    };
    let name = &credentials_ref.name;
    if let Some(token) = optional(secrets, name, ACCESS_TOKEN).await? {
        return Ok((trust, Login::AccessToken(token)));
    }
    let username = optional(secrets, name, USERNAME).await?;
    let (Some(username), Some(password)) = (username, optional(secrets, name, PASSWORD).await?) else {
        return Err(NoSession::Unusable(format!(
            "no TPP credentials configured: secret {name:?} needs the key {ACCESS_TOKEN:?}, or {USERNAME:?} and {PASSWORD:?}"
        )));
    };
    let client_id = optional(secrets, name, CLIENT_ID).await?;
    let login = Login::Password {
        username,
        password,
        client_id: client_id.map_or_else(|| USUAL_CLIENT_ID.to_owned(), |id| id.expose().clone()),
    };
    Ok((trust, login))
}

async fn of_ngts(ngts: &VenafiNgts, secrets: &mut IssuerSecrets<'_>) -> Result<Login, NoSession> {
    let VenafiNgts {
        credentials_ref,
        token_endpoint,
        tsg_id,
        url: _,
    } = ngts;
    let is_group = tsg_id.len() >= TSG_DIGITS && tsg_id.bytes().all(|byte| byte.is_ascii_digit());
    if !is_group {
        return Err(NoSession::Unusable(format!(
            "spec.venafi.ngts.tsgID must have {TSG_DIGITS} digits"
        )));
    }
    let endpoint = token_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
    let endpoint = Url::parse(endpoint.unwrap_or(USUAL_TOKEN_ENDPOINT)).ok();
    // the secret of the service account is sent there
    let endpoint =
        endpoint.filter(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none());
    let endpoint = endpoint.ok_or_else(|| {
        let sentence = "spec.venafi.ngts.tokenEndpoint is no URL that begins with https:// and has no user in it";
        NoSession::Unusable(sentence.to_owned())
    })?;
    let selector = |key: &str| SecretKeySelector {
        name: credentials_ref.name.clone(),
        key: Some(key.to_owned()),
    };
    Ok(Login::ServiceAccount {
        id: secrets.text(&selector(CLIENT_ID), "").await?,
        secret: secrets.text(&selector(CLIENT_SECRET), "").await?,
        scope: format!("tsg_id:{tsg_id}"),
        endpoint,
    })
}

/// A text in a Secret, without the white space around it; `None` if it is empty or not there.
async fn optional(secrets: &mut IssuerSecrets<'_>, name: &str, key: &str) -> Result<Option<Hidden<String>>, NoSession> {
    let (_, secret) = secrets.secret(name).await?;
    let text = secret.data(key).and_then(|value| std::str::from_utf8(value).ok());
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    Ok(text.map(|text| Hidden::new(text.to_owned())))
}

/// The custom fields of a request (ANO-06). Those of the issuer are for CertificateRequests only, as in cert-manager.
fn custom_fields(issuer: &Meta, request: &RequestSeen) -> Result<Vec<CustomField>, Refusal> {
    let parsed = |meta: &Meta| {
        let text = meta
            .annotations
            .get(annotation::VENAFI_CUSTOM_FIELDS)
            .unwrap_or_default();
        parse(text).map_err(|error| {
            let (name, key) = (meta.name(), annotation::VENAFI_CUSTOM_FIELDS);
            Refusal::failed(
                CUSTOM_FIELDS,
                format!("Failed to parse {name} {key:?} annotation: {error}"),
            )
        })
    };
    let of_issuer = if request.of_kubernetes {
        Vec::new()
    } else {
        parsed(issuer)?
    };
    let merged = merge(of_issuer, parsed(&request.meta)?);
    merged.map_err(|message| Refusal::failed(CUSTOM_FIELDS, message))
}
