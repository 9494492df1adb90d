//! lego's HTTP request protocol. Requests are compared with those that lego made.

use serde_json::Value;

use super::*;
use crate::{
    cloud::scripted::{Answer, Recorded, Scripted, cloud},
    solver::dns01::merge::tests::change,
};

const SECRET: &str = "the key \"password\" of the Secret shop/httpreq";

fn recorded() -> Vec<Value> {
    let recorded: Value = serde_json::from_str(include_str!("../../../../tests/data/dns01/httpreq.json")).unwrap();
    recorded["requests"].as_array().unwrap().clone()
}

fn login(user: &str, password: &str) -> Login {
    Login {
        user: user.to_owned(),
        password: Hidden::new(password.to_owned()),
        secret: SECRET.to_owned(),
    }
}

fn answer(status: u16) -> Answer {
    Answer {
        status,
        body: "SERVER TEXT".to_owned(),
        ..Answer::default()
    }
}

#[tokio::test]
async fn requests_are_those_of_lego() {
    let server = Scripted::start(|_: &Recorded| answer(200)).await;
    let endpoint = format!("{}dns/", server.url);
    let client = Server::new(&cloud(&[]), &endpoint, Some(&login("user", "pass"))).unwrap();
    let expected = recorded();
    for request in &expected {
        let value = request["body"]["value"].as_str().unwrap();
        let wanted = match request["path"].as_str().unwrap() {
            "/dns/present" => change(&[value], &[]),
            _ => change(&[], &[value]),
        };
        client.change("example.com", &wanted).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests.len(), expected.len());
    for (request, expected) in requests.iter().zip(&expected) {
        assert_eq!(request.method, expected["method"]);
        assert_eq!(request.target, expected["path"]);
        assert_eq!(request.json(), expected["body"]);
        for header in ["authorization", "content-type"] {
            assert_eq!(request.header(header), expected["headers"][header].as_str(), "{header}");
        }
    }
}

#[tokio::test]
async fn without_a_login_no_header_is_sent() {
    let server = Scripted::start(|_: &Recorded| answer(204)).await;
    let client = Server::new(&cloud(&[]), server.url.as_str(), None).unwrap();
    client.change("example.com", &change(&["a"], &[])).await.unwrap();
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(
        (request.line().as_str(), request.header("authorization")),
        ("POST /present", None)
    );
}

#[tokio::test]
async fn each_fault_says_what_is_to_be_done_and_repeats_nothing_of_the_server() {
    for (status, kind, words) in [
        (401, FaultKind::Right, SECRET),
        (403, FaultKind::Right, SECRET),
        (404, FaultKind::Other, "without /present"),
        (301, FaultKind::Other, "redirects are not followed"),
        (400, FaultKind::Other, "its log says why"),
        (500, FaultKind::Unreachable, "500"),
    ] {
        let server = Scripted::start(move |_: &Recorded| answer(status)).await;
        let client = Server::new(&cloud(&[]), server.url.as_str(), Some(&login("user", "s3cret"))).unwrap();
        let fault = client.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(
            !fault.sentence.contains("SERVER TEXT") && !fault.sentence.contains("s3cret"),
            "{fault:?}"
        );
    }
    let server = Scripted::start(|_: &Recorded| answer(401)).await;
    let client = Server::new(&cloud(&[]), server.url.as_str(), None).unwrap();
    let fault = client.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(fault.sentence.contains("set config.username"), "{fault:?}");
}

#[tokio::test]
async fn an_address_that_the_policy_rejects_is_not_called() {
    for endpoint in ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/"] {
        let client = Server::new(&cloud(&[]), endpoint, None).unwrap();
        let fault = client.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.sentence.contains("is not contacted"), "{fault:?}");
    }
}

#[test]
fn another_password_is_another_credential_and_is_in_no_text() {
    let make =
        |user: &str, password: &str| Server::new(&cloud(&[]), "https://dns.example.com", Some(&login(user, password)));
    let (one, other) = (make("user", "s3cret-one").unwrap(), make("user", "s3cret-two").unwrap());
    assert_ne!(one.credential(), other.credential());
    assert!(!format!("{one:?} {}", one.credential()).contains("s3cret"));
    assert!(make("us:er", "x").unwrap_err().sentence.contains("has a colon"));
}
