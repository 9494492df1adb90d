//! acme-dns. Requests are compared with those of the client of acme-dns' author, and answers are those of a real server.

use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::scripted::{Answer, Recorded, Scripted, cloud},
    solver::dns01::merge::tests::change_of,
};

const SECRET: &str = "the key \"accounts\" of the Secret shop/acme-dns";

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../../../tests/data/dns01/acmedns.json")).unwrap()
}

/// The name that the account of www.example.com has.
fn fulldomain() -> String {
    recorded()["account"]["fulldomain"].as_str().unwrap().to_owned()
}

fn accounts() -> Value {
    json!({"www.example.com": recorded()["account"]})
}

/// A server that answers as acme-dns did: the first update was accepted, the one with a wrong password was not.
fn acme_dns(request: &Recorded) -> Answer {
    let recorded = recorded();
    let updates = recorded["updates"].as_array().unwrap();
    let known = |update: &&Value| {
        let sent = |header: &str| request.header(header) == update["headers"][header].as_str();
        sent("x-api-user") && sent("x-api-key")
    };
    match updates.iter().find(known) {
        Some(update) => {
            let status = u16::try_from(update["status"].as_u64().unwrap()).unwrap();
            Answer::json(status, &update["answer"])
        }
        None => Answer::json(401, &json!({"error": "forbidden"})),
    }
}

fn server_at(cloud: &Cloud, url: &Url, accounts: &Value) -> Server {
    Server::new(cloud, url.as_str(), accounts.to_string().as_bytes(), SECRET.to_owned()).unwrap()
}

async fn scene() -> (Scripted, Server) {
    let scripted = Scripted::start(acme_dns).await;
    let server = server_at(&cloud(&[]), &scripted.url, &accounts());
    (scripted, server)
}

#[tokio::test]
async fn an_update_is_that_of_the_client_of_its_author_and_a_removal_is_no_call() {
    let (scripted, server) = scene().await;
    let expected = &recorded()["updates"][0];
    let value = expected["body"]["txt"].as_str().unwrap();
    let name = fulldomain();
    assert_eq!(server.zone(&name).await, Ok(Some("auth.example.org".to_owned())));
    server
        .change("auth.example.org", &change_of(&name, &[value], &[]))
        .await
        .unwrap();
    server
        .change("auth.example.org", &change_of(&name, &[], &[value]))
        .await
        .unwrap();
    let [request] = scripted.requests().try_into().unwrap();
    assert_eq!(request.line(), "POST /update");
    assert_eq!(request.json(), expected["body"]);
    for header in ["x-api-user", "x-api-key", "content-type"] {
        assert_eq!(request.header(header), expected["headers"][header].as_str(), "{header}");
    }
    assert!(server.keeps_records());
}

#[tokio::test]
async fn at_most_two_values_of_a_name_are_in_use_at_once() {
    let (scripted, server) = scene().await;
    let name = fulldomain();
    let present = |values: &'static [&'static str]| {
        let (server, change) = (server.clone(), change_of(&name, values, &[]));
        async move { server.change("auth.example.org", &change).await }
    };
    let fault = present(&["a", "b", "c"]).await.unwrap_err();
    assert_eq!((fault.kind, scripted.requests().len()), (FaultKind::Conflict, 0));
    present(&["a", "b"]).await.unwrap();
    // of another Order: the same server is made anew for each change
    let other = server_at(&server.0.cloud, &scripted.url, &accounts());
    let third = change_of(&name, &["c"], &[]);
    let fault = other.change("auth.example.org", &third).await.unwrap_err();
    assert!(fault.sentence.contains("2 newest values"), "{fault:?}");
    server
        .change("auth.example.org", &change_of(&name, &[], &["a"]))
        .await
        .unwrap();
    other.change("auth.example.org", &third).await.unwrap();
    // a value that is written again needs no further room
    present(&["b", "c"]).await.unwrap();
    assert_eq!(scripted.requests().len(), 5);
}

#[tokio::test]
async fn a_missing_or_wrong_cname_is_named_before_anything_is_written() {
    let (scripted, server) = scene().await;
    let asked = "_acme-challenge.www.example.com";
    let words = format!("there is no CNAME from {asked} to {}", fulldomain());
    let missing = [
        server.zone(asked).await.unwrap_err(),
        server
            .change("example.com", &change_of(asked, &["a"], &[]))
            .await
            .unwrap_err(),
    ];
    for fault in missing {
        assert!(fault.sentence.contains(&words), "{fault:?}");
    }
    let wrong = change_of("other.auth.example.org", &["a"], &[]);
    let fault = server.change("auth.example.org", &wrong).await.unwrap_err();
    assert!(
        fault.sentence.contains("leads to other.auth.example.org") && fault.sentence.contains(SECRET),
        "{fault:?}"
    );
    assert_eq!(scripted.lines(), [""; 0]);
}

#[tokio::test]
async fn a_domain_without_an_account_is_named_with_those_that_have_one() {
    let scripted = Scripted::start(acme_dns).await;
    let server = server_at(
        &cloud(&[]),
        &scripted.url,
        &json!({"example.com": recorded()["account"]}),
    );
    let change = change_of(&fulldomain(), &["a"], &[]);
    let fault = server.change("auth.example.org", &change).await.unwrap_err();
    assert!(
        fault.sentence.contains("no account for www.example.com") && fault.sentence.contains("it has example.com"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn refusals_are_sorted_and_an_account_that_is_refused_holds_up_no_other() {
    let mut wrong = accounts();
    wrong["www.example.com"]["password"] = recorded()["updates"][1]["headers"]["x-api-key"].clone();
    let scripted = Scripted::start(acme_dns).await;
    let server = server_at(&cloud(&[]), &scripted.url, &wrong);
    let change = change_of(&fulldomain(), &["a"], &[]);
    let fault = server.change("auth.example.org", &change).await.unwrap_err();
    assert!(!fault.kind.is_of_credential(), "{fault:?}");
    assert!(
        fault.sentence.contains(SECRET)
            && fault.sentence.contains("allowfrom")
            && !fault.sentence.contains("forbidden"),
        "{fault:?}"
    );
    for (status, words) in [(404, "is acmeDNS.host the URL"), (400, "400"), (500, "500")] {
        let scripted =
            Scripted::start(move |_: &Recorded| Answer::json(status, &json!({"error": "SERVER TEXT"}))).await;
        let server = server_at(&cloud(&[]), &scripted.url, &accounts());
        let fault = server.change("auth.example.org", &change).await.unwrap_err();
        assert!(
            fault.sentence.contains(words) && !fault.sentence.contains("SERVER TEXT"),
            "{fault:?}"
        );
    }
}

#[test]
fn a_secret_that_has_no_accounts_is_named_and_never_shown() {
    let make = |json: &str| {
        Server::new(
            &cloud(&[]),
            "https://auth.example.org",
            json.as_bytes(),
            SECRET.to_owned(),
        )
    };
    for wrong in [
        "",
        "s3cret",
        "[]",
        "{\"example.com\": \"s3cret\"}",
        "{\"example.com\": {\"username\": \"s3cret\"}}",
    ] {
        let fault = make(wrong).unwrap_err();
        assert!(
            fault.kind == FaultKind::Credential && fault.sentence.starts_with(SECRET),
            "{fault:?}"
        );
        assert!(!fault.sentence.contains("s3cret"), "{fault:?}");
    }
    let good = make(&accounts().to_string()).unwrap();
    let text = format!("{good:?} {}", good.credential());
    assert!(
        !text.contains(recorded()["account"]["password"].as_str().unwrap()),
        "{text}"
    );
}
