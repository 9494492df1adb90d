//! `DigitalOcean`. Requests are compared with those of its own client and of lego.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::scripted::{Answer, Recorded, Scripted, cloud},
    solver::dns01::merge::tests::{change, change_of},
};

const SECRET: &str = "the key \"token\" of the Secret shop/digitalocean";
const PATH: &str = "/v2/domains/example.com/records";

fn recorded(by: &str) -> Vec<Value> {
    let recorded: Value = serde_json::from_str(include_str!("../../../../tests/data/dns01/digitalocean.json")).unwrap();
    recorded[by].as_array().unwrap().clone()
}

/// The zone example.com, with pages of `page` records.
#[derive(Clone, Default)]
struct Zone {
    records: Arc<Mutex<Vec<Value>>>,
    page: usize,
}

impl Zone {
    fn with(self, id: u64, data: &str) -> Self {
        let record = json!({"id": id, "type": "TXT", "name": "_acme-challenge.www", "data": data, "ttl": 60});
        self.records.lock().unwrap().push(record);
        self
    }

    fn values(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        records
            .iter()
            .map(|record| record["data"].as_str().unwrap().to_owned())
            .collect()
    }

    fn answer(&self, request: &Recorded) -> Answer {
        let mut records = self.records.lock().unwrap();
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let id = path
            .strip_prefix(&format!("{PATH}/"))
            .and_then(|id| id.parse::<u64>().ok());
        match (request.method.as_str(), id) {
            ("GET", None) if path == PATH => {
                let page = query.split_once("&page=").unwrap().1.parse::<usize>().unwrap();
                let size = self.page.max(1);
                let found: Vec<Value> = records.iter().skip((page - 1) * size).take(size).cloned().collect();
                let links = if page * size < records.len() {
                    // another host: only the number of the page counts
                    json!({"pages": {"next": format!("https://evil.example/steal?page={}&per_page=1", page + 1)}})
                } else {
                    json!({})
                };
                let total = records.len();
                Answer::json(
                    200,
                    &json!({"domain_records": found, "links": links, "meta": {"total": total}}),
                )
            }
            ("POST", None) if path == PATH => {
                let mut record = request.json();
                record["id"] = json!(100 + records.len());
                records.push(record.clone());
                Answer::json(201, &json!({"domain_record": record}))
            }
            ("DELETE", Some(id)) => {
                let before = records.len();
                records.retain(|record| record["id"] != json!(id));
                Answer {
                    status: if records.len() < before { 204 } else { 404 },
                    ..Answer::default()
                }
            }
            _ => Answer::json(404, &json!({"id": "not_found", "message": "SERVER TEXT"})),
        }
    }
}

async fn scene(zone: Zone) -> (Scripted, Account) {
    let server = Scripted::start(move |request| zone.answer(request)).await;
    let token = Hidden::new("do-token".to_owned());
    let account = Account::new(&cloud(&[]), server.url.clone(), &token, SECRET.to_owned()).unwrap();
    (server, account)
}

#[tokio::test]
async fn requests_are_those_of_digitaloceans_own_client_and_of_lego() {
    let zone = Zone::default();
    let (server, account) = scene(zone.clone()).await;
    account.change("example.com", &change(&["value"], &[])).await.unwrap();
    assert_eq!(zone.values(), ["value"]);
    let requests = server.requests();
    let [list, create, _] = recorded("pydo").try_into().unwrap();
    let (path, query) = requests[0].target.split_once('?').unwrap();
    assert_eq!(
        (requests[0].method.as_str(), path),
        ("GET", list["path"].as_str().unwrap())
    );
    let query: serde_json::Map<String, Value> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    assert_eq!(Value::from(query), list["query"]);
    assert_eq!(
        (requests[1].line(), requests[1].json()),
        (format!("POST {PATH}"), create["body"].clone())
    );
    for header in ["authorization", "content-type"] {
        assert_eq!(
            requests[1].header(header),
            create["headers"][header].as_str(),
            "{header}"
        );
    }
    // lego names the record absolutely; both clients delete by the identifier
    let [create, delete] = recorded("lego").try_into().unwrap();
    assert_eq!(create["body"]["ttl"], requests[1].json()["ttl"]);
    zone.records.lock().unwrap()[0]["id"] = json!(1001);
    account.change("example.com", &change(&[], &["value"])).await.unwrap();
    let last = server.lines().pop().unwrap();
    assert_eq!(last, format!("DELETE {}", delete["path"].as_str().unwrap()));
    assert_eq!(zone.values(), [""; 0]);
}

#[tokio::test]
async fn what_is_there_is_not_added_again_and_only_our_values_are_removed() {
    let zone = Zone::default().with(1, "foreign").with(2, "a");
    let (server, account) = scene(Zone {
        page: 9,
        ..zone.clone()
    })
    .await;
    account.change("example.com", &change(&["a", "b"], &[])).await.unwrap();
    assert_eq!(zone.values(), ["foreign", "a", "b"]);
    account
        .change("example.com", &change(&[], &["a", "b", "gone"]))
        .await
        .unwrap();
    assert_eq!(zone.values(), ["foreign"]);
    let writes = server.lines().iter().filter(|line| !line.starts_with("GET")).count();
    assert_eq!(writes, 3);
}

#[tokio::test]
async fn all_pages_are_read_and_links_lead_to_no_other_server() {
    let zone = Zone::default().with(1, "x").with(2, "y").with(3, "a");
    let (server, account) = scene(Zone {
        page: 1,
        ..zone.clone()
    })
    .await;
    account.change("example.com", &change(&["a"], &["y"])).await.unwrap();
    assert_eq!(zone.values(), ["x", "a"]);
    assert_eq!(server.requests().len(), 4, "three pages and one removal");
}

#[tokio::test]
async fn the_number_of_pages_is_bounded() {
    let zone = (0..20).fold(Zone::default(), |zone, id| zone.with(id, "x"));
    let (server, account) = scene(Zone { page: 1, ..zone }).await;
    let fault = account.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(fault.sentence.contains("more than 10 pages"), "{fault:?}");
    assert_eq!(server.requests().len(), MOST_PAGES);
}

#[tokio::test]
async fn a_record_at_the_top_of_a_zone_has_the_name_at() {
    let zone = Zone::default();
    let (server, account) = scene(zone).await;
    account
        .change("example.com", &change_of("example.com", &["a"], &[]))
        .await
        .unwrap();
    assert_eq!(server.requests()[1].json()["name"], "@");
}

#[tokio::test]
async fn each_fault_says_what_is_to_be_done_and_repeats_nothing_of_the_server() {
    for (method, status, kind, words) in [
        (
            "GET",
            401,
            FaultKind::Credential,
            "does not know the token in the key \"token\"",
        ),
        ("GET", 403, FaultKind::Right, "give it the scope domain:read"),
        ("POST", 403, FaultKind::Right, "give it the scope domain:create"),
        ("GET", 404, FaultKind::NoZone, "has no domain example.com"),
        ("POST", 422, FaultKind::Other, "422"),
        ("POST", 500, FaultKind::Unreachable, "500"),
    ] {
        let server = Scripted::start(move |request: &Recorded| {
            if request.method == method {
                Answer::json(status, &json!({"id": "x", "message": "SERVER TEXT"}))
            } else {
                Zone::default().answer(request)
            }
        })
        .await;
        let token = Hidden::new("do-token".to_owned());
        let account = Account::new(&cloud(&[]), server.url.clone(), &token, SECRET.to_owned()).unwrap();
        let fault = account.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(
            !fault.sentence.contains("SERVER TEXT") && !fault.sentence.contains("do-token"),
            "{fault:?}"
        );
    }
}

#[test]
fn another_token_is_another_credential_and_is_in_no_text() {
    let make = |token: &str| {
        let token = Hidden::new(token.to_owned());
        Account::new(&cloud(&[]), URL.parse().unwrap(), &token, SECRET.to_owned())
    };
    let (one, other) = (make("t0ken-one").unwrap(), make("t0ken-two").unwrap());
    assert_ne!(one.credential(), other.credential());
    assert!(!format!("{one:?} {}", one.credential()).contains("t0ken"));
    assert_eq!(make("bad\ntoken").unwrap_err().kind, FaultKind::Credential);
}
