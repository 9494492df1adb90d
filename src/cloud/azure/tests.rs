//! Logins at Azure. The requests for tokens are compared with those that azure-identity made.

use serde_json::{Value, json};

use super::*;
use crate::cloud::oauth::Tokens as _;
use crate::cloud::scripted::{Answer, Recorded, Scripted, cloud};

const RECORDED: &str = include_str!("../../../tests/data/dns01/azuredns.json");

fn recorded_by_azure(name: &str) -> Value {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let [one] = recorded[name].as_array().unwrap().clone().try_into().unwrap();
    one
}

/// The endpoints of the public cloud, with another authority.
fn endpoints(server: &Url) -> Endpoints {
    Endpoints {
        authority: server.as_str().to_owned().leak(),
        ..Endpoints::PUBLIC
    }
}

/// A login that gets its tokens at this server.
pub(crate) fn login(server: &Url) -> Login {
    let place = "the key \"secret\" of the Secret shop/azure";
    Login::with_secret(endpoints(server), "tenant-1", "client-1", b"PASSWORD\n", place).unwrap()
}

fn token(_: &Recorded) -> Answer {
    Answer::json(200, &json!({"access_token": "TOKEN", "expires_in": "3599"}))
}

fn pairs(text: &str) -> Value {
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn as_recorded(request: &Recorded, host: &str) -> Value {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    json!({
        "method": request.method,
        "host": host,
        "path": path,
        "query": pairs(query),
        "metadata": request.header("metadata"),
        "body": (!request.body.is_empty()).then(|| pairs(&request.body)),
    })
}

#[tokio::test]
async fn a_request_with_a_secret_is_the_one_that_azure_identity_makes_and_is_made_once() {
    let (server, cloud) = (Scripted::start(token).await, cloud(&[]));
    let login = login(&server.url);
    for token in [login.token(&cloud).await, login.token(&cloud).await] {
        assert_eq!(token.unwrap().expose(), "TOKEN");
    }
    let [request] = server.requests().try_into().unwrap();
    let mut theirs = recorded_by_azure("secret");
    theirs["body"].as_object_mut().unwrap().remove("client_info");
    assert_eq!(as_recorded(&request, "login.microsoftonline.com"), theirs);
    assert!(!format!("{login:?} {}", login.credential()).contains("PASSWORD"));
}

#[tokio::test]
async fn a_request_with_workload_identity_is_the_one_that_azure_identity_makes() {
    let server = Scripted::start(token).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "SUBJECT\n").unwrap();
    let cloud = cloud(&[
        ("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AZURE_CLIENT_ID", "client-of-the-environment"),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_AUTHORITY_HOST", server.url.as_str()),
    ]);
    let identity = Identity {
        client: Some("client-1"),
        ..Identity::default()
    };
    let login = Login::ambient(&cloud, None, identity).unwrap();
    assert_eq!(login.token(&cloud).await.unwrap().expose(), "TOKEN");
    let ours = as_recorded(&server.requests()[0], "login.microsoftonline.com");
    assert_eq!(ours, recorded_by_azure("workload"));
}

#[tokio::test]
async fn requests_to_the_metadata_service_are_those_of_azure_identity() {
    let (server, cloud) = (Scripted::start(token).await, cloud(&[]));
    let endpoints = Endpoints::PUBLIC;
    for (name, client, resource) in [
        ("managed", None, None),
        ("managed_client", Some("client-1"), None),
        ("managed_resource", None, Some("/subscriptions/s/id")),
    ] {
        let login = Login::managed(server.url.as_str(), endpoints, client, resource).unwrap();
        login.token(&cloud).await.unwrap();
        let ours = as_recorded(server.requests().last().unwrap(), "169.254.169.254");
        assert_eq!(ours, recorded_by_azure(name));
    }
}

#[tokio::test]
async fn a_machine_without_the_identity_is_explained() {
    let answer = |_: &Recorded| {
        Answer::json(
            400,
            &json!({"error": "invalid_request", "error_description": "SERVER TEXT"}),
        )
    };
    let server = Scripted::start(answer).await;
    let endpoints = Endpoints::PUBLIC;
    let login = Login::managed(server.url.as_str(), endpoints, Some("client-1"), None).unwrap();
    let fault = login.token(&cloud(&[])).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Credential && fault.sentence.contains("\"client-1\": assign it"),
        "{fault:?}"
    );
    assert!(!fault.sentence.contains("SERVER TEXT"));
}

#[tokio::test]
async fn a_refused_login_is_explained_by_its_number_and_not_by_the_text_of_the_server() {
    for (number, kind, words) in [
        (
            7_000_215,
            FaultKind::Credential,
            "store its value, not its identifier (AADSTS7000215)",
        ),
        (700_016, FaultKind::Credential, "the tenant has no such application"),
        (90_002, FaultKind::Credential, "there is no such tenant"),
        (70_021, FaultKind::Credential, "no federated credential"),
        (700_024, FaultKind::Clock, "this clock is 43200 s ahead of"),
        (1, FaultKind::Credential, "invalid_client (AADSTS1)"),
    ] {
        let answer = move |_: &Recorded| Answer {
            headers: vec![("date", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned())],
            ..Answer::json(
                401,
                &json!({
                    "error": "invalid_client",
                    "error_codes": [number],
                    "error_description": "SERVER TEXT is not within its valid time range",
                }),
            )
        };
        let server = Scripted::start(answer).await;
        let fault = login(&server.url).token(&cloud(&[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
}

#[test]
fn half_of_a_workload_identity_is_named() {
    let cloud = cloud(&[("AZURE_FEDERATED_TOKEN_FILE", "/token")]);
    let fault = Login::ambient(&cloud, None, Identity::default()).unwrap_err();
    assert!(fault.sentence.contains("AZURE_CLIENT_ID is not"), "{fault:?}");
}
