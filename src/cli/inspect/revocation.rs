//! Whether a certificate is revoked: asks the OCSP responders and fetches the lists that it names, and verifies their signatures.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use reqwest::Url;
use serde::Serialize;

use crate::{
    net::{AddressPolicy, ClientSettings, ExtraRoots, HttpClient, Network, Request, Trust, Unobserved, proxy_hosts},
    pki::{
        certificate::{CertificateInfo, urls},
        revocation::{OcspRequest, Status, Subject, in_list, in_response},
    },
    process::environment::Environment,
    text::excerpt,
};

/// Time limits for a connection, and for a whole exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest OCSP response, and the largest list, in bytes.
const RESPONSE_LIMIT: usize = 64 << 10;
const LIST_LIMIT: usize = 8 << 20;
/// The most responders, and the most lists, that are contacted.
const MOST: usize = 3;

/// What one responder or list says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Revocation {
    /// `OCSP` or `CRL`.
    pub(super) method: &'static str,
    /// The responder, or the list.
    pub(super) url: String,
    /// `good`, `revoked`, `unknown` or `notChecked`.
    pub(super) status: &'static str,
    /// Since when, or why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
}

impl Revocation {
    /// Whether it says that the certificate is revoked.
    pub(super) fn is_revoked(&self) -> bool {
        self.status == "revoked"
    }

    /// One line for people.
    pub(super) fn text(&self) -> String {
        let status = match self.status {
            "notChecked" => "not checked",
            status => status,
        };
        let message = match self.message.as_str() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        format!("{status}{message} ({})", self.url)
    }
}

/// Asks everything that the certificate names. `chain` is the certificate and what follows it in `tls.crt`, `authorities` is
/// `ca.crt`, all in DER. A certificate that names nothing has no answers.
pub(super) async fn check(
    now: Timestamp,
    chain: &[Vec<u8>],
    authorities: &[Vec<u8>],
    networks: &[Network],
) -> Vec<Revocation> {
    let Some((leaf, above)) = chain.split_first() else {
        return Vec::new();
    };
    if CertificateInfo::parse(leaf).is_ok_and(|info| info.self_signed) {
        return Vec::new();
    }
    let named = urls(leaf);
    let places = || {
        let ocsp = named.ocsp_servers.iter().take(MOST).map(|url| ("OCSP", url));
        ocsp.chain(named.crl_distribution_points.iter().take(MOST).map(|url| ("CRL", url)))
    };
    let mut issuers = above.iter().chain(authorities);
    let Some(subject) = issuers.find_map(|issuer| Subject::new(leaf, issuer).ok()) else {
        let why = "neither tls.crt nor ca.crt contains the issuer";
        return places().map(|(method, url)| not_checked(method, url, why)).collect();
    };
    let client = match client(networks) {
        Ok(client) => client,
        Err(why) => return places().map(|(method, url)| not_checked(method, url, &why)).collect(),
    };
    let mut answers = Vec::new();
    for (method, url) in places() {
        let answer = match method {
            "OCSP" => ask(now, &client, url, &subject).await,
            _ => fetch(now, &client, url, &subject).await,
        };
        answers.push(match answer {
            Ok(status) => answered(method, url, &status),
            Err(why) => not_checked(method, url, &why),
        });
    }
    answers
}

fn client(networks: &[Network]) -> Result<HttpClient, String> {
    let environment = Environment::read();
    let settings = ClientSettings {
        connect_timeout: CONNECT_TIMEOUT,
        request_timeout: TIMEOUT,
        extra_roots: ExtraRoots::from(&environment),
        // the URLs are chosen by the issuer of the certificate: they do not reach this machine's own services
        addresses: AddressPolicy::new(networks.to_vec(), false),
        proxies: proxy_hosts(environment.proxies),
        ..ClientSettings::default()
    };
    HttpClient::new(&Trust::default(), &settings, Arc::new(Unobserved)).map_err(|error| error.to_string())
}

async fn ask(now: Timestamp, client: &HttpClient, url: &str, subject: &Subject) -> Result<Status, String> {
    let headers = [
        (header::CONTENT_TYPE, "application/ocsp-request"),
        (header::ACCEPT, "application/ocsp-response"),
    ];
    let request = Request {
        purpose: "ocsp",
        method: Method::POST,
        url: &parse(url)?,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect(),
        body: Some(Bytes::from(OcspRequest::new(subject).to_der())),
        limit: RESPONSE_LIMIT,
    };
    let body = send(client, request).await?;
    in_response(now, &body, subject).map_err(|error| error.to_string())
}

async fn fetch(now: Timestamp, client: &HttpClient, url: &str, subject: &Subject) -> Result<Status, String> {
    let request = Request {
        purpose: "crl",
        method: Method::GET,
        url: &parse(url)?,
        headers: HeaderMap::new(),
        body: None,
        limit: LIST_LIMIT,
    };
    let body = send(client, request).await?;
    in_list(now, &body, url, subject).map_err(|error| error.to_string())
}

fn parse(url: &str) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|error| format!("the URL is not valid: {error}"))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        scheme => Err(format!("URLs with {scheme} are not fetched")),
    }
}

async fn send(client: &HttpClient, request: Request<'_>) -> Result<Bytes, String> {
    let answer = client.send(request).await.map_err(|failure| failure.to_string())?;
    if answer.status.is_success() {
        Ok(answer.body)
    } else {
        Err(format!("the server answers with status {}", answer.status.as_u16()))
    }
}

fn answered(method: &'static str, url: &str, status: &Status) -> Revocation {
    let (status, message) = match status {
        Status::Good => ("good", String::new()),
        Status::Unknown => ("unknown", "the responder does not know the certificate".to_owned()),
        Status::Revoked {
            at,
            reason: Some(reason),
        } => ("revoked", format!("since {at}, {reason}")),
        Status::Revoked { at, reason: None } => ("revoked", format!("since {at}")),
    };
    Revocation {
        method,
        url: excerpt(url),
        status,
        message,
    }
}

fn not_checked(method: &'static str, url: &str, why: &str) -> Revocation {
    Revocation {
        method,
        url: excerpt(url),
        status: "notChecked",
        message: excerpt(why),
    }
}
