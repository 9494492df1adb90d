use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::scripted::{Answer, Recorded, Scripted, cloud},
    solver::dns01::change::Wanted,
};

const SECRET: &str = "the key \"token\" of the Secret shop/cloudflare";
const NAME: &str = "_acme-challenge.www.example.com";

fn good(result: &Value) -> Answer {
    Answer::json(
        200,
        &json!({"success": true, "errors": [], "messages": [], "result": result}),
    )
}

fn refused(status: u16, code: u32) -> Answer {
    let errors = json!([{"code": code, "message": "secret text of the server"}]);
    Answer::json(
        status,
        &json!({"success": false, "errors": errors, "messages": [], "result": null}),
    )
}

/// An account with the zone example.com.
fn example(request: &Recorded) -> Answer {
    match (request.method.as_str(), request.target.as_str()) {
        ("GET", "/client/v4/zones?name=example.com") => good(&json!([{"id": "z1", "name": "example.com"}])),
        ("GET", zones) if zones.starts_with("/client/v4/zones?") => good(&json!([])),
        ("GET", _) => good(&json!([
            {"id": "r1", "type": "TXT", "name": NAME, "content": "\"one\""},
            {"id": "r2", "type": "TXT", "name": NAME, "content": "two"},
            {"id": "r3", "type": "TXT", "name": NAME, "content": "somebody's"},
        ])),
        ("DELETE", _) => good(&json!({"id": "r1"})),
        (_, _) => good(&json!({"id": "r9"})),
    }
}

fn account(server: &Scripted, token: &str) -> Account {
    let base = server.url.join("client/v4/").unwrap();
    Account::new(
        &cloud(&[]),
        base,
        &Login::Token(Hidden::new(token.to_owned())),
        SECRET.to_owned(),
    )
    .unwrap()
}

fn txt(value: &str) -> Txt {
    Txt {
        name: NAME.to_owned(),
        value: value.to_owned(),
        identifier: "www.example.com".to_owned(),
    }
}

fn change(values: &[&str], wanted: Wanted) -> Change {
    let mut change = Change::default();
    for value in values {
        change.insert(txt(value), wanted);
    }
    change
}

#[tokio::test]
async fn one_record_is_one_call_once_its_zone_is_known() {
    let server = Scripted::start(example).await;
    let account = account(&server, "t0ken");
    assert_eq!(account.zone(NAME).await, Ok(Some("example.com".to_owned())));
    account
        .change("example.com", &change(&["one"], Wanted::Present))
        .await
        .unwrap();
    let lines = server.lines();
    assert_eq!(
        lines,
        [
            "GET /client/v4/zones?name=www.example.com",
            "GET /client/v4/zones?name=example.com",
            "POST /client/v4/zones/z1/dns_records",
        ]
    );
    let requests = server.requests();
    let last = requests.last().unwrap();
    assert_eq!(last.header("authorization"), Some("Bearer t0ken"));
    let body = json!({"type": "TXT", "name": NAME, "content": "\"one\"", "ttl": 60});
    assert_eq!(last.json(), body);
}

#[tokio::test]
async fn several_records_are_one_batch() {
    let server = Scripted::start(example).await;
    let account = account(&server, "t0ken");
    let values: Vec<String> = (0..100).map(|at| format!("value-{at}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    account
        .change("example.com", &change(&values, Wanted::Present))
        .await
        .unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "the zone, and one batch");
    let batch = requests.last().unwrap();
    assert_eq!(batch.line(), "POST /client/v4/zones/z1/dns_records/batch");
    assert_eq!(batch.json()["posts"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn only_records_with_exactly_our_values_are_removed() {
    let server = Scripted::start(example).await;
    let account = account(&server, "t0ken");
    account
        .change("example.com", &change(&["one", "two", "gone"], Wanted::Absent))
        .await
        .unwrap();
    let requests = server.requests();
    let batch = requests.last().unwrap();
    assert_eq!(batch.json(), json!({"deletes": [{"id": "r1"}, {"id": "r2"}]}));
    account
        .change("example.com", &change(&["gone"], Wanted::Absent))
        .await
        .unwrap();
    let last = server.lines().pop().unwrap();
    assert!(last.starts_with("GET"), "what is not there is not removed: {last}");
}

#[tokio::test]
async fn a_record_that_is_there_already_holds_up_no_other() {
    let server =
        Scripted::start(
            |request: &Recorded| match (request.method.as_str(), request.json()["content"].as_str()) {
                ("POST", None | Some("\"one\"")) => refused(400, 81058),
                _ => example(request),
            },
        )
        .await;
    let account = account(&server, "t0ken");
    account
        .change("example.com", &change(&["one", "new"], Wanted::Present))
        .await
        .unwrap();
    let posts: Vec<String> = server
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("POST"))
        .collect();
    assert_eq!(posts.len(), 3, "{posts:?}");
}

#[tokio::test]
async fn each_fault_says_what_is_to_be_done_and_repeats_nothing_of_the_server() {
    for (status, code, kind, words) in [
        (403, 10000, FaultKind::Right, "Zone:DNS:Edit"),
        (403, 9109, FaultKind::Right, "Zone:DNS:Edit"),
        (403, 9109, FaultKind::Right, "wrong or has expired"),
        (403, 9109, FaultKind::Right, SECRET),
        (400, 6003, FaultKind::Credential, SECRET),
        (403, 9103, FaultKind::Credential, SECRET),
        (404, 7003, FaultKind::NoZone, "no such zone"),
        (400, 9999, FaultKind::Other, "code 9999"),
    ] {
        let server = Scripted::start(move |request: &Recorded| match request.method.as_str() {
            "POST" => refused(status, code),
            _ => example(request),
        })
        .await;
        let account = account(&server, "t0ken");
        let fault = account
            .change("example.com", &change(&["one"], Wanted::Present))
            .await
            .unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(
            !fault.sentence.contains("secret text") && !fault.sentence.contains("t0ken"),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_name_without_a_zone_says_what_was_asked_for_and_which_right_is_needed() {
    let server = Scripted::start(|_: &Recorded| good(&json!([]))).await;
    let fault = account(&server, "t0ken").zone(NAME).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoZone);
    assert!(
        fault.sentence.contains("www.example.com, example.com") && fault.sentence.contains("Zone:Zone:Read"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn limits_and_pages_that_are_no_json_are_told_apart() {
    let limited = Scripted::start(|_: &Recorded| Answer {
        status: 429,
        headers: vec![("retry-after", "30".to_owned())],
        body: String::new(),
    })
    .await;
    let fault = account(&limited, "t0ken").zone(NAME).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Limited(_)), "{fault:?}");
    let page = Scripted::start(|_: &Recorded| Answer {
        status: 200,
        headers: Vec::new(),
        body: "<html>".to_owned(),
    })
    .await;
    let fault = account(&page, "t0ken").zone(NAME).await.unwrap_err();
    assert!(fault.sentence.contains("which is not the JSON"), "{fault:?}");
}

#[test]
fn another_token_is_another_credential_and_is_in_no_text() {
    let make = |token: &str| {
        let login = Login::Token(Hidden::new(token.to_owned()));
        Account::new(&cloud(&[]), URL.parse().unwrap(), &login, SECRET.to_owned())
    };
    let (one, other) = (make("t0ken-one").unwrap(), make("t0ken-two").unwrap());
    assert_ne!(one.credential(), other.credential());
    let text = format!("{one:?} {}", one.credential());
    assert!(!text.contains("t0ken"), "{text}");
    assert_eq!(make("bad\ntoken").unwrap_err().kind, FaultKind::Credential);
}
