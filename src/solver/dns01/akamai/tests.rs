//! Akamai Edge DNS. Paths are compared with those that Akamai's own client signs.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::{
        edgegrid,
        scripted::{Answer, Recorded, Scripted, cloud},
    },
    solver::dns01::merge::tests::change,
};

/// One record set, and how the next calls fail.
#[derive(Clone, Default)]
struct Akamai {
    set: Arc<Mutex<Option<Value>>>,
    next: Arc<Mutex<Vec<Answer>>>,
}

impl Akamai {
    /// The last one is answered first.
    fn answers(self, status: u16, detail: &str) -> Self {
        let body = json!({"title": "SERVER TEXT", "detail": detail, "status": status});
        let headers = vec![("date", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned())];
        let answer = Answer {
            headers,
            ..Answer::json(status, &body)
        };
        self.next.lock().unwrap().push(answer);
        self
    }

    fn rdata(&self) -> Value {
        self.set
            .lock()
            .unwrap()
            .as_ref()
            .map(|set| set["rdata"].clone())
            .unwrap_or_default()
    }

    fn answer(&self, request: &Recorded) -> Answer {
        if let Some(answer) = self.next.lock().unwrap().pop() {
            return answer;
        }
        let mut set = self.set.lock().unwrap();
        match (request.method.as_str(), &*set) {
            ("GET", Some(set)) => Answer::json(200, set),
            ("POST", Some(_)) => Answer::json(409, &json!({"title": "Record Exists"})),
            ("POST", None) | ("PUT", Some(_)) => {
                *set = Some(request.json());
                Answer::json(201, &request.json())
            }
            ("DELETE", Some(_)) => {
                *set = None;
                Answer {
                    status: 204,
                    ..Answer::default()
                }
            }
            _ => Answer::json(404, &json!({"title": "Not Found"})),
        }
    }
}

struct Scene {
    akamai: Akamai,
    server: Scripted,
    client: Client,
}

async fn scene(akamai: Akamai) -> Scene {
    let answering = akamai.clone();
    let server = Scripted::start(move |request| answering.answer(request)).await;
    let client = Client::new(&cloud(&[]), server.url.clone(), edgegrid::tests::signer());
    Scene { akamai, server, client }
}

#[tokio::test]
async fn requests_are_signed_and_those_that_akamais_client_makes() {
    let Scene { akamai, server, client } = scene(Akamai::default()).await;
    let steps = [
        (change(&["value"], &[]), json!(["\"value\""])),
        (change(&["b"], &[]), json!(["\"value\"", "\"b\""])),
        (change(&[], &["value"]), json!(["\"b\""])),
        (change(&[], &["b"]), Value::Null),
    ];
    for (change, rdata) in steps {
        client.change("example.com", &change).await.unwrap();
        assert_eq!(akamai.rdata(), rdata);
    }
    let methods: Vec<String> = server.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["GET", "POST", "GET", "PUT", "GET", "PUT", "GET", "DELETE"]);
    let recorded: Value = serde_json::from_str(include_str!("../../../../tests/data/dns01/akamai.json")).unwrap();
    let (url, body) = (&recorded["signatures"][1]["url"], &recorded["signatures"][1]["body"]);
    let path = Url::parse(url.as_str().unwrap()).unwrap().path().to_owned();
    let requests = server.requests();
    assert!(
        requests.iter().all(|request| request.target == path),
        "{:?}",
        server.lines()
    );
    assert_eq!(
        requests[1].json(),
        serde_json::from_str::<Value>(body.as_str().unwrap()).unwrap()
    );
    let authorization = requests[1].header("authorization").unwrap();
    let nonce = authorization
        .split(';')
        .find_map(|part| part.strip_prefix("nonce="))
        .unwrap();
    let url = server.url.join(&path).unwrap();
    let now = crate::cloud::scripted::noon();
    let again = edgegrid::tests::signer()
        .sign(&Method::POST, &url, Some(&requests[1].body), now, nonce)
        .unwrap();
    assert_eq!(again["authorization"], authorization);
    assert!(nonce.len() == 36 && nonce.as_bytes()[14] == b'4', "{nonce}");
}

#[tokio::test]
async fn a_conflict_is_read_again_once() {
    for status in [409, 412] {
        let akamai = Akamai::default().answers(status, "").answers(404, "");
        let Scene { akamai, server, client } = scene(akamai).await;
        client.change("example.com", &change(&["a"], &[])).await.unwrap();
        assert_eq!((akamai.rdata(), server.requests().len()), (json!(["\"a\""]), 4));
    }
}

#[tokio::test]
async fn refusals_are_sorted() {
    for (status, detail, kind, words) in [
        (
            401,
            "Invalid timestamp",
            FaultKind::Clock,
            "this clock is 43200 s ahead of",
        ),
        (
            401,
            "The signature does not match",
            FaultKind::Credential,
            "the client secret is wrong",
        ),
        (
            401,
            "Invalid authorization access token",
            FaultKind::Credential,
            "the access token is wrong",
        ),
        (
            401,
            "Inactive client token",
            FaultKind::Credential,
            "akamai.serviceConsumerDomain",
        ),
        (401, "SERVER TEXT", FaultKind::Credential, "check the three values"),
        (403, "SERVER TEXT", FaultKind::Right, "READ-WRITE"),
        (400, "SERVER TEXT", FaultKind::Other, "400"),
        (500, "SERVER TEXT", FaultKind::Unreachable, "500"),
    ] {
        let Scene { client, .. } = scene(Akamai::default().answers(status, detail)).await;
        let fault = client.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
    let Scene { client, .. } = scene(Akamai::default().answers(404, "").answers(404, "")).await;
    let fault = client.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::NoZone && fault.sentence.contains("no zone example.com"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_page_of_something_else_is_no_answer_whether_something_is_read_or_written() {
    let page = || Answer {
        status: 200,
        body: "<html><body>SERVER TEXT</body></html>".to_owned(),
        ..Answer::default()
    };
    for before in [None, Some(Answer::json(404, &json!({"title": "Not Found"})))] {
        let akamai = Akamai::default();
        akamai.next.lock().unwrap().push(page());
        akamai.next.lock().unwrap().extend(before);
        let Scene { client, .. } = scene(akamai).await;
        let fault = client.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.sentence.contains("JSON"), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
}

#[test]
fn the_host_is_accepted_with_and_without_https() {
    for domain in [
        "akab-x.luna.akamaiapis.net",
        "https://akab-x.luna.akamaiapis.net/",
        " akab-x.luna.akamaiapis.net\n",
    ] {
        assert_eq!(base(domain).unwrap().as_str(), "https://akab-x.luna.akamaiapis.net/");
    }
    for domain in ["", "user@host", "host/path", "host?query", "http://host"] {
        assert!(base(domain).is_err(), "{domain}");
    }
}
