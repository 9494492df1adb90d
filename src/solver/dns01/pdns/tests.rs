//! `PowerDNS`. Changes are compared with those that lego made, and answers are those of a real server.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::scripted::{Answer, Recorded, Scripted, cloud},
    solver::dns01::merge::tests::{change, change_of},
};

const SECRET: &str = "the key \"key\" of the Secret shop/pdns";
const NAME: &str = "_acme-challenge.www.example.com";
const ZONES: &str = "/api/v1/servers/localhost/zones";

fn recorded() -> Value {
    serde_json::from_str(include_str!("../../../../tests/data/dns01/pdns.json")).unwrap()
}

/// What the real server answered to the request with this number.
fn answered(at: usize) -> Answer {
    let recorded = recorded();
    let one = &recorded["answers"][at];
    let status = u16::try_from(one["status"].as_u64().unwrap()).unwrap();
    match &one["answer"] {
        Value::String(text) => Answer {
            status,
            body: text.clone(),
            ..Answer::default()
        },
        Value::Null => Answer {
            status,
            ..Answer::default()
        },
        json @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Answer::json(status, json),
    }
}

/// The zone example.com with one TXT record set.
#[derive(Clone, Default)]
struct Zone {
    set: Arc<Mutex<Option<Value>>>,
}

impl Zone {
    fn with(values: &[&str]) -> Self {
        let records: Vec<Value> = values
            .iter()
            .map(|value| json!({"content": value, "disabled": false}))
            .collect();
        let set = json!({"name": format!("{NAME}."), "type": "TXT", "ttl": 3600, "records": records, "comments": []});
        Self {
            set: Arc::new(Mutex::new(Some(set))),
        }
    }

    fn contents(&self) -> Vec<String> {
        let set = self.set.lock().unwrap();
        let records = set.as_ref().and_then(|set| set["records"].as_array().cloned());
        let records = records.unwrap_or_default();
        records
            .iter()
            .map(|record| record["content"].as_str().unwrap().to_owned())
            .collect()
    }

    fn answer(&self, request: &Recorded) -> Answer {
        if request.header("x-api-key") != Some("pdns-key") {
            return answered(8);
        }
        let mut set = self.set.lock().unwrap();
        let rest = request.target.strip_prefix(ZONES);
        match (request.method.as_str(), rest) {
            ("GET", Some("?zone=example.com.")) => answered(0),
            ("GET", Some(rest)) if rest.starts_with("?zone=") => answered(1),
            ("GET", Some(rest)) if rest.starts_with("/example.com.?rrset_name=_acme") => {
                let mut zone = recorded()["answers"][2]["answer"].clone();
                zone["rrsets"] = set.iter().cloned().collect();
                Answer::json(200, &zone)
            }
            ("PATCH", Some("/example.com.")) => {
                for changed in request.json()["rrsets"].as_array().unwrap() {
                    *set = (changed["changetype"] == "REPLACE").then(|| changed.clone());
                }
                answered(3)
            }
            ("PUT", Some("/example.com./notify")) => answered(7),
            _ => answered(9),
        }
    }
}

async fn scene(zone: &Zone) -> (Scripted, Server) {
    let zone = zone.clone();
    let scripted = Scripted::start(move |request| zone.answer(request)).await;
    let server = server_at(&scripted, "pdns-key");
    (scripted, server)
}

fn server_at(scripted: &Scripted, key: &str) -> Server {
    let key = Hidden::new(key.to_owned());
    Server::new(&cloud(&[]), scripted.url.as_str(), SERVER, &key, SECRET.to_owned()).unwrap()
}

/// The fields of a changed record set that the API knows today: lego also sends those of its first version.
fn essence(patch: &Value) -> Value {
    let [set] = patch["rrsets"].as_array().unwrap().as_slice() else {
        panic!("{patch}");
    };
    let records = set["records"].as_array().cloned().unwrap_or_default();
    let records: Vec<Value> = records
        .iter()
        .map(|record| json!([record["content"], record["disabled"]]))
        .collect();
    json!([set["name"], set["type"], set["changetype"], set["ttl"], records])
}

#[tokio::test]
async fn changes_are_those_of_lego() {
    let zone = Zone::default();
    let (scripted, server) = scene(&zone).await;
    let recorded = recorded();
    let expected: Vec<&Value> = recorded["lego"].as_array().unwrap().iter().collect();
    // two values are added one after the other, and removed at once
    let value = |at: usize, of: usize| {
        let content = expected[at]["body"]["rrsets"][0]["records"][of]["content"]
            .as_str()
            .unwrap();
        merge::from_zone_file(content)
    };
    let (one, two) = (value(0, 0), value(2, 1));
    assert_eq!(server.zone(NAME).await, Ok(Some("example.com".to_owned())));
    for wanted in [change(&[&one], &[]), change(&[&two], &[]), change(&[], &[&one, &two])] {
        server.change("example.com", &wanted).await.unwrap();
    }
    let requests = scripted.requests();
    let writes: Vec<&Recorded> = requests.iter().filter(|request| request.method != "GET").collect();
    assert_eq!(writes.len(), 6, "three changes, and a NOTIFY after each");
    for (write, expected) in writes.iter().zip(&expected) {
        assert_eq!(write.method, expected["method"]);
        assert_eq!(write.target, expected["path"]);
        assert_eq!(write.header("x-api-key"), expected["headers"]["x-api-key"].as_str());
        if write.method == "PATCH" {
            assert_eq!(essence(&write.json()), essence(&expected["body"]));
        }
    }
    assert_eq!(zone.contents(), [""; 0]);
}

#[tokio::test]
async fn other_values_and_their_lifetime_stay() {
    let zone = Zone::with(&["\"foreign value\" \"two\""]);
    let (scripted, server) = scene(&zone).await;
    server.change("example.com", &change(&["a"], &[])).await.unwrap();
    assert_eq!(zone.contents(), ["\"foreign value\" \"two\"", "\"a\""]);
    server.change("example.com", &change(&["a"], &["gone"])).await.unwrap();
    server.change("example.com", &change(&[], &["a"])).await.unwrap();
    assert_eq!(zone.contents(), ["\"foreign value\" \"two\""]);
    let patches: Vec<Recorded> = scripted
        .requests()
        .into_iter()
        .filter(|request| request.method == "PATCH")
        .collect();
    assert_eq!(patches.len(), 2, "what is so already is not written");
    assert!(patches.iter().all(|patch| patch.json()["rrsets"][0]["ttl"] == 3600));
}

#[tokio::test]
async fn all_names_of_a_change_are_one_request() {
    let (scripted, server) = scene(&Zone::default()).await;
    let mut both = change(&["a"], &[]);
    both.add
        .extend(change_of("_acme-challenge.example.com", &["b"], &[]).add);
    server.change("example.com", &both).await.unwrap();
    let lines = scripted.lines();
    let patches: Vec<&String> = lines.iter().filter(|line| line.starts_with("PATCH")).collect();
    assert_eq!(patches.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn the_zone_is_the_longest_that_the_server_has_and_is_remembered() {
    let (scripted, server) = scene(&Zone::default()).await;
    for _ in 0..2 {
        assert_eq!(
            server.zone("_acme-challenge.example.com").await,
            Ok(Some("example.com".to_owned()))
        );
    }
    let asked = |zone: &str| format!("GET {ZONES}?zone={zone}.");
    let first = [asked("_acme-challenge.example.com"), asked("example.com")];
    assert_eq!(scripted.lines()[..2], first);
    assert_eq!(scripted.lines().len(), 3);
    let fault = server.zone("_acme-challenge.none.test").await.unwrap_err();
    assert!(
        fault.kind == FaultKind::NoZone && fault.sentence.contains("_acme-challenge.none.test, none.test, test"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_copy_of_another_servers_zone_is_not_changed() {
    let scripted = Scripted::start(|_: &Recorded| {
        let mut zones = recorded()["answers"][0]["answer"].clone();
        zones[0]["kind"] = json!("Slave");
        Answer::json(200, &zones)
    })
    .await;
    let fault = server_at(&scripted, "pdns-key").zone("example.com").await.unwrap_err();
    assert!(
        fault.sentence.contains("set config.url to the primary server"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn each_fault_says_what_is_to_be_done_and_repeats_nothing_of_the_server() {
    let (scripted, _) = scene(&Zone::default()).await;
    let fault = server_at(&scripted, "wr0ng").zone(NAME).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Credential && fault.sentence.contains(SECRET),
        "{fault:?}"
    );
    assert!(
        !fault.sentence.contains("wr0ng") && !fault.sentence.contains("Unauthorized"),
        "{fault:?}"
    );
    let key = Hidden::new("pdns-key".to_owned());
    let other = Server::new(&cloud(&[]), scripted.url.as_str(), "other", &key, SECRET.to_owned()).unwrap();
    let fault = other.zone(NAME).await.unwrap_err();
    assert!(
        fault.sentence.contains("\"other\"") && fault.sentence.contains("api=yes"),
        "{fault:?}"
    );
    for (method, at, kind, words) in [
        ("PATCH", 11, FaultKind::Other, "is there a CNAME"),
        ("PATCH", 10, FaultKind::NoZone, "no zone example.com any more"),
    ] {
        let zone = Zone::default();
        let scripted = Scripted::start(move |request: &Recorded| {
            if request.method == method {
                answered(at)
            } else {
                zone.answer(request)
            }
        })
        .await;
        let server = server_at(&scripted, "pdns-key");
        let fault = server.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("Conflicts with"), "{fault:?}");
    }
}

#[tokio::test]
async fn an_address_that_the_policy_rejects_is_not_called() {
    let key = Hidden::new("pdns-key".to_owned());
    let url = "http://169.254.169.254";
    let server = Server::new(&cloud(&[]), url, SERVER, &key, SECRET.to_owned()).unwrap();
    let fault = server.zone(NAME).await.unwrap_err();
    assert!(fault.sentence.contains("is not contacted"), "{fault:?}");
}

#[test]
fn another_key_is_another_credential_and_is_in_no_text() {
    let make = |key: &str| {
        let key = Hidden::new(key.to_owned());
        Server::new(&cloud(&[]), "https://pdns.example.com", SERVER, &key, SECRET.to_owned())
    };
    let (one, other) = (make("s3cret-one").unwrap(), make("s3cret-two").unwrap());
    assert_ne!(one.credential(), other.credential());
    assert!(!format!("{one:?} {}", one.credential()).contains("s3cret"));
    assert_eq!(make("s3cret\nkey").unwrap_err().kind, FaultKind::Credential);
}
