//! Logins at Google Cloud. The requests for tokens are compared with those that google-auth made.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::cloud::oauth::Tokens as _;
use crate::{
    cloud::scripted::{Answer, Recorded, Scripted, cloud, noon},
    pki::{
        key::{KeyAlgorithm, KeyEncoding, KeySpec, PrivateKey},
        signature::{SignatureAlgorithm, verify},
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL};

const RECORDED: &str = include_str!("../../../tests/data/dns01/clouddns.json");

static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(KeySpec::new(KeyAlgorithm::Rsa, Some(2048))).unwrap());

fn recorded_by_google() -> Value {
    serde_json::from_str(RECORDED).unwrap()
}

fn file() -> Value {
    let pem = KEY.to_pem(KeyEncoding::Pkcs8).unwrap();
    json!({
        "type": "service_account",
        "project_id": "shop-1",
        "private_key_id": "key-1",
        "private_key": String::from_utf8(pem.expose().clone()).unwrap(),
        "client_email": "dns@shop-1.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    })
}

fn key() -> ServiceAccountKey {
    match CredentialFile::parse(
        file().to_string().as_bytes(),
        "the key \"key.json\" of the Secret shop/dns",
    )
    .unwrap()
    {
        CredentialFile::Key(key) => key,
        CredentialFile::External(_) => unreachable!(),
    }
}

/// A login that gets its tokens at this server.
pub(crate) fn login(url: &Url) -> Login {
    let mut key = key();
    key.token_url = url.join("token").unwrap();
    Login::new(Source::Key(key), "test")
}

fn external(server: &Url, file: &std::path::Path, impersonated: bool) -> Login {
    let mut json = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": file},
    });
    if impersonated {
        json["service_account_impersonation_url"] =
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/\
            dns@shop-1.iam.gserviceaccount.com:generateAccessToken"
                .into();
    }
    match CredentialFile::parse(json.to_string().as_bytes(), "the file").unwrap() {
        CredentialFile::External(mut account) => {
            account.token_url = server.join(account.token_url.path()).unwrap();
            let url = account.impersonation_url.as_ref();
            account.impersonation_url = url.map(|url| server.join(url.path()).unwrap());
            Login::new(Source::External(account), "test")
        }
        CredentialFile::Key(_) => unreachable!(),
    }
}

fn form_of(body: &str) -> Value {
    let pairs = url::form_urlencoded::parse(body.as_bytes());
    pairs
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn token(_: &Recorded) -> Answer {
    Answer::json(
        200,
        &json!({"access_token": "TOKEN", "expires_in": 3599, "token_type": "Bearer"}),
    )
}

#[tokio::test]
async fn a_request_for_a_token_is_the_one_that_google_auth_makes_and_is_made_once() {
    let (server, cloud) = (Scripted::start(token).await, cloud(&[]));
    let login = login(&server.url);
    for token in [login.token(&cloud).await, login.token(&cloud).await] {
        assert_eq!(token.unwrap().expose(), "TOKEN");
    }
    let [request] = server.requests().try_into().unwrap();
    let theirs = &recorded_by_google()["token"];
    assert_eq!(request.line(), "POST /token");
    assert_eq!(request.header("content-type"), theirs["content_type"].as_str());
    let form = form_of(&request.body);
    assert_eq!(form["grant_type"], theirs["grant_type"]);
    let assertion = form["assertion"].as_str().unwrap();
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let part = |at: usize| {
        let part = BASE64_URL.decode(message.split('.').nth(at).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&part).unwrap()
    };
    let mut claims = theirs["claims"].clone();
    claims["aud"] = server.url.join("token").unwrap().as_str().into();
    assert_eq!((part(0), part(1)), (theirs["header"].clone(), claims));
    let (algorithm, signature) = (SignatureAlgorithm::Sha256WithRsa, BASE64_URL.decode(signature).unwrap());
    verify(
        &KEY.public_key(),
        &algorithm.identifier(),
        message.as_bytes(),
        &signature,
    )
    .unwrap();
}

#[tokio::test]
async fn a_token_of_another_provider_is_exchanged_as_google_auth_does() {
    let answer = |request: &Recorded| match request.target.as_str() {
        "/v1/token" => token(request),
        _ => Answer::json(200, &json!({"accessToken": "SA", "expireTime": "2026-01-01T13:00:00Z"})),
    };
    let (server, cloud) = (Scripted::start(answer).await, cloud(&[]));
    let subject = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(subject.path(), "SUBJECT\n").unwrap();
    let mut tokens = Vec::new();
    for impersonated in [false, true] {
        let login = external(&server.url, subject.path(), impersonated);
        tokens.push(login.token(&cloud).await.unwrap().expose().clone());
        login.forget(&cloud);
    }
    assert_eq!(tokens, ["TOKEN", "SA"]);
    let ours: Vec<Value> = server
        .requests()
        .iter()
        .map(|request| {
            let kind = request.header("content-type").unwrap();
            let body = if kind.contains("json") {
                request.json()
            } else {
                form_of(&request.body)
            };
            json!({"method": request.method, "path": request.target, "content_type": kind, "body": body})
        })
        .collect();
    let mut theirs = recorded_by_google()["exchange"].clone();
    theirs[2]["body"].as_object_mut().unwrap().remove("delegates");
    assert_eq!(Value::from(ours), theirs);
}

#[tokio::test]
async fn the_metadata_service_is_asked_with_its_header_and_a_missing_identity_is_explained() {
    for (status, words) in [
        (404, "iam.gke.io/gcp-service-account"),
        (403, "roles/iam.workloadIdentityUser"),
    ] {
        let answer = move |_: &Recorded| Answer {
            status,
            body: "SERVER TEXT".to_owned(),
            ..Answer::default()
        };
        let server = Scripted::start(answer).await;
        let host = server.url.authority().to_owned();
        let cloud = cloud(&[("GCE_METADATA_HOST", &host)]);
        let fault = Login::ambient(&cloud).await.unwrap().token(&cloud).await.unwrap_err();
        assert!(
            fault.kind == FaultKind::Credential && fault.sentence.contains(words),
            "{fault:?}"
        );
        assert!(!fault.sentence.contains("SERVER TEXT"));
        let request = &server.requests()[0];
        assert_eq!(request.header("metadata-flavor"), Some("Google"));
        assert_eq!(
            request.line(),
            "GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fndev.clouddns.readwrite"
        );
    }
}

#[tokio::test]
async fn a_refused_key_is_explained_without_the_text_of_the_server() {
    for (error, text, kind, words) in [
        (
            "invalid_grant",
            "Invalid JWT Signature.",
            FaultKind::Credential,
            "deleted or disabled",
        ),
        (
            "invalid_grant",
            "Invalid grant: account not found",
            FaultKind::Credential,
            "does not know the service account",
        ),
        (
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            FaultKind::Clock,
            "this clock is 43200 s ahead of that of the server",
        ),
        (
            "unauthorized_client",
            "SERVER TEXT",
            FaultKind::Credential,
            "unauthorized_client",
        ),
        ("SERVER TEXT", "", FaultKind::Credential, "an unknown code"),
    ] {
        let answer = move |_: &Recorded| Answer {
            headers: vec![("date", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned())],
            ..Answer::json(400, &json!({"error": error, "error_description": text}))
        };
        let server = Scripted::start(answer).await;
        let fault = login(&server.url).token(&cloud(&[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
}

#[test]
fn other_files_than_the_key_of_a_service_account_are_named() {
    let with = |field: &str, value: Value| {
        let mut file = file();
        file[field] = value;
        file.to_string()
    };
    let place = "the key \"key.json\" of the Secret shop/dns";
    for (json, words) in [
        ("-----BEGIN PRIVATE KEY-----".to_owned(), "is not the JSON key"),
        (with("type", json!("authorized_user")), "the login of a user"),
        (with("type", json!("other")), "neither of type"),
        (with("client_email", json!("")), "has no client_email"),
        (with("token_uri", json!("http://example.com/token")), "not an https URL"),
        (with("token_uri", json!("https://user@example.com/token")), "not an https URL"),
        (with("universe_domain", json!("example.com")), "another universe"),
        (
            json!({"type": "external_account", "token_url": "https://a.example/", "credential_source": {"file": "/etc/passwd"}})
                .to_string(),
            "is of type external_account",
        ),
    ] {
        let fault = Login::with_key(json.as_bytes(), place).unwrap_err();
        assert!(fault.kind == FaultKind::Credential && fault.sentence.contains(words), "{fault:?}");
        assert!(fault.sentence.contains(place) || words.contains("Secret"), "{fault:?}");
    }
    let login = Login::with_key(format!("{}\n", file()).as_bytes(), place).unwrap();
    let text = format!("{login:?}");
    assert!(!text.contains("PRIVATE KEY") && text.contains("dns@shop-1"), "{text}");
}

#[tokio::test]
async fn an_ambient_file_that_cannot_be_read_is_named() {
    let cloud = cloud(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")]);
    let fault = Login::ambient(&cloud).await.unwrap_err();
    assert!(fault.sentence.contains("the file /nonexistent/key.json"), "{fault:?}");
    assert_eq!(noon().to_string(), "2026-01-01T12:00:00Z");
}
