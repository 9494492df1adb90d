//! Azure DNS. Requests are compared with those of Microsoft's own clients.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::{
    cloud::{
        azure,
        scripted::{Answer, Recorded, Scripted, cloud},
    },
    solver::dns01::merge::tests::{change, change_of},
};

const RECORDED: &str = include_str!("../../../../tests/data/dns01/azuredns.json");
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// One record set with its etag, and how the next calls fail.
#[derive(Clone, Default)]
struct Azure {
    set: Arc<Mutex<Option<(u32, Value)>>>,
    next: Arc<Mutex<Vec<Answer>>>,
}

impl Azure {
    fn with(properties: Value) -> Self {
        let azure = Self::default();
        *azure.set.lock().unwrap() = Some((1, properties));
        azure
    }

    /// The last one is answered first.
    fn answers(self, status: u16, code: &str) -> Self {
        let body = json!({"error": {"code": code, "message": "SERVER TEXT"}});
        self.next.lock().unwrap().push(Answer::json(status, &body));
        self
    }

    fn texts(&self) -> Vec<String> {
        let set = self.set.lock().unwrap();
        let Some((_, properties)) = &*set else {
            return Vec::new();
        };
        let records = properties
            .get("TXTRecords")
            .or_else(|| properties.get("txtRecords"))
            .unwrap();
        let strings = |record: &Value| {
            record["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|text| text.as_str().unwrap().to_owned())
                .collect()
        };
        records.as_array().unwrap().iter().map(strings).collect()
    }

    fn answer(&self, request: &Recorded) -> Answer {
        if request.target.ends_with("/token") {
            return Answer::json(200, &json!({"access_token": "TOKEN", "expires_in": 3599}));
        }
        if let Some(answer) = self.next.lock().unwrap().pop() {
            return answer;
        }
        let mut set = self.set.lock().unwrap();
        let etag = set.as_ref().map(|(etag, _)| format!("E{etag}"));
        if request.method == "GET" {
            return match &*set {
                Some((etag, properties)) => {
                    Answer::json(200, &json!({"etag": format!("E{etag}"), "properties": properties}))
                }
                None => Answer::json(404, &json!({"code": "NotFound", "message": "SERVER TEXT"})),
            };
        }
        let holds = match (request.header("if-match"), request.header("if-none-match")) {
            (Some(wanted), None) => etag.as_deref() == Some(wanted),
            (None, Some("*")) => etag.is_none(),
            _ => false,
        };
        if !holds {
            return Answer::json(412, &json!({"error": {"code": "PreconditionFailed"}}));
        }
        let number = set.as_ref().map_or(1, |(number, _)| number + 1);
        *set = (request.method == "PUT").then(|| (number, request.json()["properties"].clone()));
        Answer::json(200, &json!({}))
    }
}

struct Scene {
    azure: Azure,
    server: Scripted,
    group: ResourceGroup,
}

async fn scene(azure: Azure, zone_type: AzureZoneType) -> Scene {
    let answering = azure.clone();
    let server = Scripted::start(move |request| answering.answer(request)).await;
    let settings = AzureDns {
        subscription_id: SUBSCRIPTION.to_owned(),
        resource_group_name: "rg".to_owned(),
        hosted_zone_name: Some("Example.com.".to_owned()),
        zone_type: Some(zone_type),
        ..AzureDns::default()
    };
    let login = azure::tests::login(&server.url);
    let group = ResourceGroup::new(&cloud(&[]), &settings, login, server.url.as_str()).unwrap();
    Scene { azure, server, group }
}

fn calls(server: &Scripted) -> Vec<Recorded> {
    let requests = server.requests();
    requests
        .into_iter()
        .filter(|request| !request.target.ends_with("/token"))
        .collect()
}

fn as_recorded(request: &Recorded) -> Value {
    let url = Url::parse(&format!("http://host{}", request.target)).unwrap();
    let query: serde_json::Map<String, Value> = url
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    let headers: serde_json::Map<String, Value> = ["content-type", "if-match", "if-none-match"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), request.header(name)?.into())))
        .collect();
    json!({"method": request.method, "path": url.path(), "query": query, "headers": headers, "body": request.json()})
}

#[tokio::test]
async fn requests_are_those_of_microsofts_clients() {
    for (zone_type, name, ttl, records, version) in [
        (AzureZoneType::Public, "public", "TTL", "TXTRecords", "2018-05-01"),
        (AzureZoneType::Private, "private", "ttl", "txtRecords", "2020-06-01"),
    ] {
        // the order of the recorded requests: read, replace, create, delete
        let properties = json!({ttl: 60, records: [{"value": ["other"]}]});
        let Scene { server, group, azure } = scene(Azure::with(properties), zone_type).await;
        group.change("example.com", &change(&["value"], &[])).await.unwrap();
        *azure.set.lock().unwrap() = None;
        group
            .change("example.com", &change(&["other", "value"], &[]))
            .await
            .unwrap();
        group
            .change("example.com", &change(&[], &["other", "value"]))
            .await
            .unwrap();
        let requests: Vec<Value> = calls(&server).iter().map(as_recorded).collect();
        let [read, replace, _, create, _, delete] = requests.try_into().unwrap();
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        let mut theirs = recorded[name].as_array().unwrap().clone();
        for request in &mut theirs {
            request["query"]["api-version"] = version.into();
            if let Some(etag) = request["headers"].get_mut("if-match") {
                *etag = etag.as_str().unwrap().trim_matches('"').into();
            }
        }
        assert_eq!(vec![read, replace, create, delete], theirs);
    }
}

#[tokio::test]
async fn other_values_metadata_and_lifetime_stay() {
    let properties = json!({"TTL": 3600, "metadata": {"owner": "shop"}, "TXTRecords": [{"value": ["long ", "text"]}]});
    let Scene { azure, server, group } = scene(Azure::with(properties), AzureZoneType::Public).await;
    group.change("example.com", &change(&["a"], &[])).await.unwrap();
    assert_eq!(azure.texts(), ["long text", "a"]);
    assert_eq!(
        azure.set.lock().unwrap().clone().unwrap().1,
        json!({"TTL": 3600, "metadata": {"owner": "shop"}, "TXTRecords": [{"value": ["long ", "text"]}, {"value": ["a"]}]})
    );
    group.change("example.com", &change(&["b"], &["a"])).await.unwrap();
    assert_eq!(azure.texts(), ["long text", "b"]);
    let before = calls(&server).len();
    group.change("example.com", &change(&["b"], &["a"])).await.unwrap();
    assert_eq!(
        calls(&server).len(),
        before + 1,
        "nothing to change is read and not written"
    );
    group
        .change("example.com", &change(&[], &["b", "long text"]))
        .await
        .unwrap();
    assert_eq!(*azure.set.lock().unwrap(), None);
}

#[tokio::test]
async fn a_conflict_is_read_again_once() {
    let azure = Azure::default()
        .answers(412, "PreconditionFailed")
        .answers(404, "NotFound");
    let Scene { azure, server, group } = scene(azure, AzureZoneType::Public).await;
    group.change("example.com", &change(&["a"], &[])).await.unwrap();
    assert_eq!((azure.texts(), calls(&server).len()), (vec!["a".to_owned()], 4));
    let mut azure = Azure::default();
    for _ in 0..2 {
        azure = azure.answers(412, "PreconditionFailed").answers(404, "NotFound");
    }
    let Scene { server, group, .. } = scene(azure, AzureZoneType::Public).await;
    let fault = group.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Conflict && fault.sentence.contains("another client"),
        "{fault:?}"
    );
    assert_eq!(calls(&server).len(), 4);
}

#[tokio::test]
async fn refusals_are_sorted_and_name_the_right() {
    for (status, code, kind, words) in [
        (
            403,
            "AuthorizationFailed",
            FaultKind::Right,
            "Microsoft.Network/dnsZones/TXT/read on the zone example.com",
        ),
        (403, "RequestDisallowedByPolicy", FaultKind::Right, "Azure Policy"),
        (
            404,
            "ResourceGroupNotFound",
            FaultKind::NoZone,
            "no resource group rg (ResourceGroupNotFound)",
        ),
        (
            404,
            "ResourceNotFound",
            FaultKind::NoZone,
            "no Microsoft.Network/dnsZones example.com",
        ),
        (
            404,
            "SubscriptionNotFound",
            FaultKind::NoZone,
            "check azureDNS.subscriptionID",
        ),
        (400, "BadRequest", FaultKind::Other, "(BadRequest)"),
        (400, "SERVER TEXT", FaultKind::Other, "400"),
        (503, "ServerBusy", FaultKind::Unreachable, "503"),
    ] {
        let Scene { group, .. } = scene(Azure::default().answers(status, code), AzureZoneType::Public).await;
        let fault = group.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
    for (status, code, zone_type, words) in [
        (
            403,
            "AuthorizationFailed",
            AzureZoneType::Private,
            "Microsoft.Network/privateDnsZones/TXT/write",
        ),
        (409, "ScopeLocked", AzureZoneType::Public, "remove the lock"),
    ] {
        let azure = Azure::default().answers(status, code).answers(404, "NotFound");
        let Scene { group, .. } = scene(azure, zone_type).await;
        let fault = group.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(
            fault.kind == FaultKind::Right && fault.sentence.contains(words),
            "{fault:?}"
        );
    }
    let Scene { group, .. } = scene(Azure::default().answers(404, "ResourceNotFound"), AzureZoneType::Public).await;
    assert_eq!(
        group.change("example.com", &change(&[], &["a"])).await,
        Ok(None),
        "the zone is gone"
    );
}

#[tokio::test]
async fn a_page_of_something_else_is_no_answer_whether_something_is_read_or_written() {
    let page = || Answer {
        status: 200,
        body: "<html><body>SERVER TEXT</body></html>".to_owned(),
        ..Answer::default()
    };
    for before in [None, Some(Answer::json(404, &json!({"error": {"code": "NotFound"}})))] {
        let azure = Azure::default();
        azure.next.lock().unwrap().push(page());
        azure.next.lock().unwrap().extend(before);
        let Scene { group, .. } = scene(azure, AzureZoneType::Public).await;
        let fault = group.change("example.com", &change(&["a"], &[])).await.unwrap_err();
        assert!(fault.sentence.contains("JSON"), "{fault:?}");
        assert!(!fault.sentence.contains("SERVER TEXT"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let expired = Azure::default().answers(401, "ExpiredAuthenticationToken");
    let Scene { azure, group, .. } = scene(expired, AzureZoneType::Public).await;
    group.change("example.com", &change(&["a"], &[])).await.unwrap();
    assert_eq!(azure.texts(), ["a"]);
    let refusing = Azure::default()
        .answers(401, "InvalidAuthenticationTokenTenant")
        .answers(401, "InvalidAuthenticationTokenTenant");
    let Scene { group, .. } = scene(refusing, AzureZoneType::Public).await;
    let fault = group.change("example.com", &change(&["a"], &[])).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Credential && fault.sentence.contains("InvalidAuthenticationTokenTenant"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_name_outside_of_the_zone_of_the_settings_is_named() {
    let Scene { group, server, .. } = scene(Azure::default(), AzureZoneType::Public).await;
    assert_eq!(
        group.zone("_acme-challenge.www.example.com").await.unwrap().as_deref(),
        Some("example.com")
    );
    let fault = group.zone("_acme-challenge.example.net").await.unwrap_err();
    assert!(
        fault.kind == FaultKind::NoZone && fault.sentence.contains("check azureDNS.hostedZoneName"),
        "{fault:?}"
    );
    group
        .change("example.com", &change_of("example.com", &["a"], &[]))
        .await
        .unwrap();
    assert!(
        calls(&server)[0].target.contains("/dnsZones/example.com/TXT/@?"),
        "the top of the zone"
    );
}
