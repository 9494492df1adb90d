//! A server for lego's HTTP request protocol (<https://go-acme.github.io/lego/dns/httpreq>), with a user and a password.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::{Records, is_in_zone},
    server::Api,
};

const HOST: &str = "httpreq.certlet-tests.net";
const PASSWORD: &str = "correct-horse-battery";

/// A server that keeps its records in BIND.
#[derive(Default)]
struct HttpReq(Records);

impl Api for HttpReq {
    const HOSTS: &'static [&'static str] = &[HOST];
    const WORDS: &'static [&'static str] = &["dns", "present", "cleanup"];

    async fn answer(&self, asked: &Asked) -> Answer {
        let login = format!("Basic {}", BASE64_STANDARD.encode(format!("lego:{PASSWORD}")));
        if asked.header("authorization") != Some(&login) {
            return Answer::new(401, Value::Null);
        }
        let body = asked.json().unwrap_or_default();
        let (Some(fqdn), Some(value)) = (body["fqdn"].as_str(), body["value"].as_str()) else {
            return Answer::new(400, json!({"message": "no fqdn and value"}));
        };
        let Some(name) = fqdn.strip_suffix('.').filter(|name| is_in_zone(name)) else {
            return Answer::new(400, json!({"message": "no such zone"}));
        };
        let mut records = self.0.hold().await;
        let mut values = records.get(name).map(|set| set.values.clone()).unwrap_or_default();
        values.retain(|other| other != value);
        match (&asked.method, asked.segments().as_slice()) {
            (&Method::POST, ["dns", "present"]) => values.push(value.to_owned()),
            (&Method::POST, ["dns", "cleanup"]) => {}
            _ => return Answer::new(404, Value::Null),
        }
        records.put(name, 60, values).await;
        Answer::ok(Value::Null)
    }
}

const CASE: Case<'_> = Case {
    provider: "httpreq",
    variables: &[
        ("HTTPREQ_ENDPOINT", "https://httpreq.certlet-tests.net/dns"),
        ("HTTPREQ_USERNAME", "lego"),
        ("HTTPREQ_PASSWORD", PASSWORD),
        ("HTTPREQ_POLLING_INTERVAL", "1"),
    ],
    kept: None,
    solver: "{dns01: {webhook: {groupName: certlet.io, solverName: httpreq, config: {endpoint: 'https://httpreq.certlet-tests.net/dns', \
             username: lego, passwordSecretRef: {name: httpreq, key: password}}}}}",
    secret: "{apiVersion: v1, kind: Secret, metadata: {name: httpreq}, stringData: {password: correct-horse-battery}}",
    exceptions: &[],
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn certlet_speaks_legos_http_request_protocol_as_lego_does() {
    let Some((scene, server)) = open(HttpReq::default(), "lego's HTTP request protocol").await else {
        return;
    };
    judge(&scene, &server, &CASE).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_password_that_the_server_does_not_take_is_named_with_its_secret() {
    let Some((scene, server)) = open(HttpReq::default(), "a wrong password at a server for httpreq").await else {
        return;
    };
    let wrong = "incorrect-horse";
    let refused = Wrong {
        secret: &CASE.secret.replace(PASSWORD, wrong),
        hidden: wrong,
        words: &[
            "it does not accept the user with the password in",
            HOST,
            &format!("{}/httpreq", scene.namespace),
        ],
    };
    refusal(&scene, &server, &CASE, &refused).await;
}
