//! Akamai Edge DNS (`/config-dns/v2`), as <https://techdocs.akamai.com/edge-dns/reference> describes it, and the signatures of its requests.

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::{Records, Set, ZONE, is_in_zone, unquoted},
    server::Api,
};

const HOST: &str = "akab-certlet-tests.luna.akamaiapis.net";
const CLIENT_TOKEN: &str = "akab-client-token-of-tests";
const ACCESS_TOKEN: &str = "akab-access-token-of-tests";
const CLIENT_SECRET: &str = "SecretOfAnApiClient0123456789abcdefghijklmno=";

/// A contract with one zone, for one API client.
#[derive(Default)]
struct Akamai(Records);

fn refused(status: u16, title: &str, detail: &str) -> Answer {
    let kind = "https://problems.luna.akamaiapis.net/-/pep-authn/deny";
    Answer::new(
        status,
        json!({"type": kind, "title": title, "status": status, "detail": detail}),
    )
}

fn shown(name: &str, set: &Set) -> Value {
    let values: Vec<String> = set.values.iter().map(|value| format!("\"{value}\"")).collect();
    json!({"name": name, "type": "TXT", "ttl": set.ttl, "rdata": values})
}

fn mac(key: &str, data: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, data.as_bytes()))
}

/// What is wrong with the signature of a request, in Akamai's words.
fn unsigned(asked: &Asked) -> Option<&'static str> {
    let header = asked.header("authorization").unwrap_or_default();
    let Some((signed, signature)) = header.split_once("signature=") else {
        return Some("Missing signature");
    };
    let Some(fields) = signed.strip_prefix("EG1-HMAC-SHA256 ") else {
        return Some("Unknown signing algorithm");
    };
    let field = |name: &str| {
        let of_name = |field: &str| field.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
        fields.split(';').find_map(of_name).unwrap_or_default()
    };
    if field("client_token") != CLIENT_TOKEN {
        return Some("Invalid client token");
    }
    if field("access_token") != ACCESS_TOKEN {
        return Some("Invalid access token");
    }
    let time = field("timestamp");
    if time.len() != "20260101T00:00:00+0000".len() || !time.ends_with("+0000") || field("nonce").is_empty() {
        return Some("Invalid timestamp");
    }
    let hash = if asked.method == Method::POST && !asked.body.is_empty() {
        BASE64_STANDARD.encode(digest::digest(&digest::SHA256, &asked.body))
    } else {
        String::new()
    };
    let data = format!("{}\thttps\t{HOST}\t{}\t\t{hash}\t{signed}", asked.method, asked.target);
    (signature != mac(&mac(CLIENT_SECRET, &time), &data)).then_some("The signature does not match")
}

/// The record set in a body, for this name.
fn given(asked: &Asked, name: &str) -> Option<Set> {
    let body = asked.json()?;
    let is_it = body["name"].as_str()?.trim_end_matches('.') == name && body["type"] == "TXT";
    let values = body["rdata"]
        .as_array()?
        .iter()
        .map(|value| value.as_str().map(unquoted));
    let set = Set {
        ttl: body["ttl"].as_u64()?,
        values: values.collect::<Option<_>>()?,
        version: 0,
    };
    (is_it && is_in_zone(name) && !set.values.is_empty()).then_some(set)
}

impl Api for Akamai {
    const HOSTS: &'static [&'static str] = &[HOST];
    const WORDS: &'static [&'static str] = &["config-dns", "v2", "zones", "names", "types", "TXT"];

    async fn answer(&self, asked: &Asked) -> Answer {
        if let Some(detail) = unsigned(asked) {
            return refused(401, "Not authorized", detail);
        }
        let segments = asked.segments();
        let &["config-dns", "v2", "zones", ZONE, "names", name, "types", "TXT"] = segments.as_slice() else {
            return refused(404, "Not Found", "Zone or record not found");
        };
        // lego writes names with a final dot
        let name = name.trim_end_matches('.');
        let mut records = self.0.hold().await;
        let found = records.get(name).cloned();
        match (asked.method.clone(), found) {
            (Method::GET, Some(set)) => Answer::ok(shown(name, &set)),
            (Method::GET | Method::PUT | Method::DELETE, None) => refused(404, "Not Found", "Record not found"),
            (Method::POST, Some(_)) => refused(409, "Record already exists", "Record already exists"),
            (method @ (Method::POST | Method::PUT), _) => {
                let Some(set) = given(asked, name) else {
                    return refused(400, "Bad Request", "Invalid record set");
                };
                records.put(name, set.ttl, set.values.clone()).await;
                Answer::new(if method == Method::POST { 201 } else { 200 }, shown(name, &set))
            }
            (Method::DELETE, Some(_)) => {
                records.put(name, 0, Vec::new()).await;
                Answer::new(204, Value::Null)
            }
            _ => refused(405, "Method Not Allowed", "Method not allowed"),
        }
    }
}

const CASE: Case<'_> = Case {
    provider: "edgedns",
    variables: &[
        ("AKAMAI_HOST", HOST),
        ("AKAMAI_CLIENT_TOKEN", CLIENT_TOKEN),
        ("AKAMAI_ACCESS_TOKEN", ACCESS_TOKEN),
        ("AKAMAI_CLIENT_SECRET", CLIENT_SECRET),
        ("AKAMAI_POLLING_INTERVAL", "1"),
    ],
    kept: None,
    solver: "{dns01: {akamai: {serviceConsumerDomain: akab-certlet-tests.luna.akamaiapis.net, \
             clientTokenSecretRef: {name: akamai, key: client-token}, clientSecretSecretRef: {name: akamai, key: client-secret}, \
             accessTokenSecretRef: {name: akamai, key: access-token}}}}",
    secret: "{apiVersion: v1, kind: Secret, metadata: {name: akamai}, stringData: {client-token: akab-client-token-of-tests, \
             access-token: akab-access-token-of-tests, client-secret: 'SecretOfAnApiClient0123456789abcdefghijklmno='}}",
    exceptions: &[],
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_02_certlet_asks_akamai_as_lego_does() {
    let Some((scene, server)) = open(Akamai::default(), "Akamai Edge DNS, with lego as its judge").await else {
        return;
    };
    judge(&scene, &server, &CASE).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_client_secret_that_is_not_the_one_of_akamai_is_said_to_be_wrong() {
    let Some((scene, server)) = open(Akamai::default(), "a wrong client secret at Akamai").await else {
        return;
    };
    let wrong = CLIENT_SECRET.replace("0123", "9999");
    let refused = Wrong {
        secret: &CASE.secret.replace(CLIENT_SECRET, &wrong),
        hidden: &wrong,
        words: &["the client secret is wrong", HOST],
    };
    refusal(&scene, &server, &CASE, &refused).await;
}
