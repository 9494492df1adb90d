//! Google Cloud DNS. Requests are compared with those of Google's own client, and with its discovery document.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use super::*;
use crate::{
    cloud::{
        google,
        scripted::{Answer, Recorded, Scripted, cloud},
    },
    solver::dns01::merge::tests::{change, change_of},
};

const RECORDED: &str = include_str!("../../../../tests/data/dns01/clouddns.json");
const NAME: &str = "_acme-challenge.www.example.com.";

/// The records of the zone `example-zone`, and how the next changes fail.
#[derive(Clone, Default)]
struct Google {
    sets: Arc<Mutex<BTreeMap<String, Value>>>,
    next: Arc<Mutex<Vec<Answer>>>,
}

impl Google {
    fn with(set: &Value) -> Self {
        let google = Self::default();
        google.put(set.clone());
        google
    }

    fn put(&self, set: Value) {
        let name = set["name"].as_str().unwrap().to_owned();
        self.sets.lock().unwrap().insert(name, set);
    }

    fn fails(self, status: u16, reason: &str) -> Self {
        let body = json!({"error": {"code": status, "message": "SERVER TEXT", "errors": [{"reason": reason}]}});
        self.next.lock().unwrap().push(Answer::json(status, &body));
        self
    }

    fn rrdatas(&self) -> Value {
        let sets = self.sets.lock().unwrap();
        sets.get(NAME).map(|set| set["rrdatas"].clone()).unwrap_or_default()
    }

    fn answer(&self, request: &Recorded) -> Answer {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path == "/token" {
            return Answer::json(200, &json!({"access_token": "TOKEN", "expires_in": 3599}));
        }
        if let Some(answer) = self.next.lock().unwrap().pop() {
            return answer;
        }
        match path.trim_start_matches("/dns/v1/projects/shop-1/managedZones") {
            "" if query.contains("pageToken") => Answer::json(
                200,
                &json!({"managedZones": [{"name": "example-zone", "dnsName": "example.com.", "visibility": "public"}]}),
            ),
            "" => Answer::json(
                200,
                &json!({"nextPageToken": "2", "managedZones": [
                    {"name": "inside", "dnsName": "example.com.", "visibility": "private"},
                    {"name": "sub", "dnsName": "sub.example.com.", "visibility": "public"},
                    {"name": "other", "dnsName": "ample.com.", "visibility": "public"},
                ]}),
            ),
            "/example-zone/rrsets" => {
                let sets: Vec<Value> = self.sets.lock().unwrap().values().cloned().collect();
                Answer::json(200, &json!({"rrsets": sets}))
            }
            "/example-zone/changes" => self.changed(&request.json()),
            "/example-zone/changes/1" => Answer::json(200, &json!({"id": "1", "status": "done"})),
            _ => Answer::json(
                404,
                &json!({"error": {"code": 404, "errors": [{"reason": "notFound"}]}}),
            ),
        }
    }

    fn changed(&self, change: &Value) -> Answer {
        let mut sets = self.sets.lock().unwrap();
        let name = |set: &Value| set["name"].as_str().unwrap().to_owned();
        for set in change["deletions"].as_array().unwrap() {
            if sets.get(&name(set)) != Some(set) {
                return Answer::json(412, &json!({"error": {"errors": [{"reason": "conditionNotMet"}]}}));
            }
            sets.remove(&name(set));
        }
        for set in change["additions"].as_array().unwrap() {
            if sets.insert(name(set), set.clone()).is_some() {
                return Answer::json(409, &json!({"error": {"errors": [{"reason": "alreadyExists"}]}}));
            }
        }
        Answer::json(200, &json!({"id": "1", "status": "pending"}))
    }
}

struct Scene {
    google: Google,
    server: Scripted,
    project: Project,
}

async fn scene(google: Google, hosted_zone_name: Option<&str>) -> Scene {
    let answering = google.clone();
    let server = Scripted::start(move |request| answering.answer(request)).await;
    let settings = CloudDns {
        project: "shop-1".to_owned(),
        hosted_zone_name: hosted_zone_name.map(str::to_owned),
        ..CloudDns::default()
    };
    let login = google::tests::login(&server.url);
    let project = Project::new(&cloud(&[]), &settings, login, server.url.as_str()).unwrap();
    Scene {
        google,
        server,
        project,
    }
}

fn old() -> Value {
    json!({"kind": "dns#resourceRecordSet", "name": NAME, "type": "TXT", "ttl": 300, "rrdatas": ["\"other\""], "signatureRrdatas": []})
}

fn calls(server: &Scripted) -> Vec<Recorded> {
    let requests = server.requests();
    requests
        .into_iter()
        .filter(|request| request.target != "/token")
        .collect()
}

#[tokio::test]
async fn requests_are_those_of_googles_client_and_fit_its_discovery_document() {
    let Scene {
        google,
        server,
        project,
    } = scene(Google::with(&old()), None).await;
    let zone = project.zone("_acme-challenge.www.example.com").await.unwrap().unwrap();
    assert_eq!(zone, "example.com");
    let receipt = project.change(&zone, &change(&["value"], &[])).await.unwrap().unwrap();
    assert_eq!(receipt, Receipt("shop-1/example-zone/1".to_owned()));
    assert!(project.is_done(&receipt).await.unwrap());
    assert_eq!(google.rrdatas(), json!(["\"other\"", "\"value\""]));
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let ours: Vec<Value> = calls(&server).iter().map(as_recorded).collect();
    let mut theirs = recorded["requests"].as_array().unwrap().clone();
    let mut second_page = theirs[0].clone();
    second_page["query"]["pageToken"] = "2".into();
    theirs.insert(1, second_page);
    assert_eq!(ours, theirs);
    assert!(
        calls(&server)
            .iter()
            .all(|call| call.header("authorization") == Some("Bearer TOKEN"))
    );
    let schema = |name: &str| recorded["discovery"]["schemas"][name].as_array().unwrap().clone();
    for (name, fields) in [
        ("ManagedZonesListResponse", vec!["managedZones", "nextPageToken"]),
        ("ManagedZone", vec!["name", "dnsName", "visibility"]),
        ("ResourceRecordSetsListResponse", vec!["rrsets"]),
        ("ResourceRecordSet", vec!["name", "type", "ttl", "rrdatas"]),
        ("Change", vec!["id", "status", "additions", "deletions"]),
    ] {
        assert!(
            fields.iter().all(|field| schema(name).contains(&json!(field))),
            "{name}"
        );
    }
    assert_eq!(recorded["discovery"]["change_status"], json!(["pending", "done"]));
    assert_eq!(recorded["discovery"]["root"], BASE);
}

fn as_recorded(request: &Recorded) -> Value {
    let url = Url::parse(&format!("http://host{}", request.target)).unwrap();
    let query: serde_json::Map<String, Value> = url
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    json!({
        "method": request.method,
        "path": url.path(),
        "query": query,
        "content_type": request.header("content-type"),
        "body": request.json(),
    })
}

#[tokio::test]
async fn other_values_stay_and_the_last_one_takes_the_record_set_with_it() {
    let Scene {
        google,
        server,
        project,
    } = scene(Google::default(), Some("example-zone")).await;
    assert_eq!(project.zone("_acme-challenge.www.example.com").await, Ok(None));
    let steps = [
        (change(&["a"], &[]), json!(["\"a\""])),
        (change(&["b"], &[]), json!(["\"a\"", "\"b\""])),
        (change(&[], &["a"]), json!(["\"b\""])),
        (change(&["c"], &["b"]), json!(["\"c\""])),
        (change(&[], &["c"]), Value::Null),
    ];
    for (change, rrdatas) in steps {
        project.change("example.com", &change).await.unwrap();
        assert_eq!(google.rrdatas(), rrdatas);
    }
    let before = calls(&server).len();
    assert_eq!(project.change("example.com", &change(&[], &["c"])).await, Ok(None));
    assert_eq!(
        calls(&server).len(),
        before + 1,
        "nothing to change is read and not written"
    );
}

#[tokio::test]
async fn several_names_are_one_change() {
    let Scene { server, project, .. } = scene(Google::default(), Some("example-zone")).await;
    let mut many = Change::default();
    for at in 0..20 {
        many.add
            .extend(change_of(&format!("_acme-challenge.a{at}.example.com"), &["value"], &[]).add);
    }
    project.change("example.com", &many).await.unwrap();
    let changes: Vec<Recorded> = calls(&server)
        .into_iter()
        .filter(|call| call.method == "POST")
        .collect();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].json()["additions"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_conflict_is_read_again_once() {
    for (status, reason) in [(409, "alreadyExists"), (412, "conditionNotMet"), (404, "notFound")] {
        let Scene {
            google,
            server,
            project,
        } = scene(Google::default(), Some("example-zone")).await;
        // the answers are taken from the end: the record set is read, then the change fails
        let google = google.fails(status, reason);
        google
            .next
            .lock()
            .unwrap()
            .push(Answer::json(200, &json!({"rrsets": []})));
        project.change("example.com", &change(&["a"], &[])).await.unwrap();
        assert_eq!((google.rrdatas(), calls(&server).len()), (json!(["\"a\""]), 4));
    }
    let Scene {
        google,
        server,
        project,
    } = scene(Google::default(), Some("example-zone")).await;
    for _ in 0..2 {
        let _google = google.clone().fails(412, "conditionNotMet");
        google
            .next
            .lock()
            .unwrap()
            .push(Answer::json(200, &json!({"rrsets": []})));
    }
    let fault = project.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Conflict && fault.sentence.contains("another client"),
        "{fault:?}"
    );
    assert_eq!(calls(&server).len(), 4);
}

#[tokio::test]
async fn refusals_are_sorted_and_name_the_right() {
    for (status, reason, kind, words) in [
        (
            403,
            "forbidden",
            FaultKind::Right,
            "dns.resourceRecordSets.list in the project shop-1",
        ),
        (
            403,
            "accessNotConfigured",
            FaultKind::Right,
            "gcloud services enable dns.googleapis.com --project shop-1",
        ),
        (
            403,
            "insufficientPermissions",
            FaultKind::Right,
            "ndev.clouddns.readwrite",
        ),
        (404, "notFound", FaultKind::NoZone, "no managed zone example-zone"),
        (503, "backendError", FaultKind::Unreachable, "503"),
    ] {
        let Scene { project, .. } = scene(Google::default().fails(status, reason), Some("example-zone")).await;
        let fault = project.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"));
    }
    let Scene { project, .. } = scene(Google::default().fails(403, "rateLimitExceeded"), Some("example-zone")).await;
    let fault = project.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Limited(_)), "{fault:?}");
    let Scene { google, project, .. } = scene(Google::default(), Some("example-zone")).await;
    let google = google.fails(403, "forbidden");
    google
        .next
        .lock()
        .unwrap()
        .push(Answer::json(200, &json!({"rrsets": []})));
    let fault = project.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(fault.sentence.contains("grant it dns.changes.create"), "{fault:?}");
}

#[tokio::test]
async fn a_page_of_something_else_is_no_answer_whether_something_is_read_or_written() {
    let page = || Answer {
        status: 200,
        body: "<html><body>SERVER TEXT</body></html>".to_owned(),
        ..Answer::default()
    };
    for before in [None, Some(Answer::json(200, &json!({"rrsets": []})))] {
        let google = Google::default();
        google.next.lock().unwrap().push(page());
        google.next.lock().unwrap().extend(before);
        let Scene { project, .. } = scene(google, Some("example-zone")).await;
        let fault = project.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.sentence.contains("JSON"), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let Scene {
        google,
        server,
        project,
    } = scene(Google::default().fails(401, "authError"), Some("example-zone")).await;
    project.change("example.com", &change(&["a"], &[])).await.unwrap();
    let tokens = server.lines().iter().filter(|line| line.ends_with("/token")).count();
    assert_eq!((google.rrdatas(), tokens), (json!(["\"a\""]), 2));
    let refusing = Google::default().fails(401, "authError").fails(401, "authError");
    let Scene { project, .. } = scene(refusing, Some("example-zone")).await;
    let fault = project.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(fault.kind == FaultKind::Credential, "{fault:?}");
}

#[tokio::test]
async fn the_longest_public_zone_is_taken_and_remembered() {
    let Scene { server, project, .. } = scene(Google::default(), None).await;
    for (name, zone) in [
        ("_acme-challenge.www.example.com", "example.com"),
        ("_acme-challenge.a.sub.example.com", "sub.example.com"),
        ("_acme-challenge.sub.example.com", "sub.example.com"),
    ] {
        assert_eq!(project.zone(name).await.unwrap().as_deref(), Some(zone));
    }
    assert_eq!(calls(&server).len(), 2, "two pages, once");
    assert_eq!(
        project.managed_zone("example.com").await.unwrap().as_deref(),
        Some("example-zone")
    );
    let fault = project.zone("_acme-challenge.www.example.net").await.unwrap_err();
    assert!(
        fault.kind == FaultKind::NoZone
            && fault
                .sentence
                .contains("for _acme-challenge.www.example.net, www.example.net, example.net"),
        "{fault:?}"
    );
    assert_eq!(
        project.change("example.net", &change(&[], &["a"])).await,
        Ok(None),
        "its zone is gone"
    );
}
