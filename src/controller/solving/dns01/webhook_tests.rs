use std::sync::Mutex;

use http::{Method, Request};
use serde_json::{Value, json};

use super::*;

/// What was sent to the API server: method, path and body.
type Sent = Arc<Mutex<Vec<(Method, String, Value)>>>;

/// A solver whose API server always answers this, and has no APIServices that may be read.
fn solver(status: u16, answer: &Value) -> (Solver, Sent) {
    solver_beside((403, &json!({})), status, &answer.to_string())
}

/// The same, with what the API server answers to who reads the webhook's APIService.
fn solver_beside(service: (u16, &Value), status: u16, answer: &str) -> (Solver, Sent) {
    let (sent, answer, service) = (Sent::default(), answer.to_owned(), (service.0, service.1.to_string()));
    let noted = Arc::clone(&sent);
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (noted, answer, service) = (Arc::clone(&noted), answer.clone(), service.clone());
        async move {
            let (parts, body) = request.into_parts();
            if parts.method == Method::GET {
                assert_eq!(
                    parts.uri.path(),
                    "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.acme.example.com"
                );
                let response = http::Response::builder().status(service.0);
                return Ok(response.body(kube::client::Body::from(service.1.into_bytes())).unwrap());
            }
            let body = body.collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&body).unwrap();
            noted
                .lock()
                .unwrap()
                .push((parts.method, parts.uri.path().to_owned(), body));
            let response = http::Response::builder().status(status);
            Ok::<_, std::io::Error>(response.body(kube::client::Body::from(answer.into_bytes())).unwrap())
        }
    });
    let settings = settings();
    let reader = Reader::new(kube::Client::new(service, "default"));
    (Solver::new(reader, &settings, "shop", Allows::default()), sent)
}

fn settings() -> Webhook {
    Webhook {
        group_name: "acme.example.com".to_owned(),
        solver_name: "hoster".to_owned(),
        config: Some(json!({"zone": "example"})),
    }
}

/// What the API server says with an error.
fn refusal(code: u16) -> Value {
    let reason = if code == 404 { "NotFound" } else { "R" };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "text", "reason": reason, "code": code})
}

fn present() -> Change {
    let txt = Txt {
        name: "_acme-challenge.www.example".to_owned(),
        value: "value".to_owned(),
        identifier: "www.example".to_owned(),
    };
    Change::of(txt, crate::solver::dns01::change::Wanted::Present)
}

/// As cert-manager's client sends it: fields and their order of `ChallengeRequest`.
#[tokio::test]
async fn a_webhook_gets_the_payload_that_cert_manager_sends() {
    let (solver, sent) = solver(201, &json!({"response": {"uid": "", "success": true}}));
    assert_eq!(solver.change("example", &present()).await, Ok(None));
    let sent = sent.lock().unwrap();
    let [(method, path, body)] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (method, path.as_str()),
        (&Method::POST, "/apis/acme.example.com/v1alpha1/hoster")
    );
    let expected = json!({
        "apiVersion": "webhook.acme.cert-manager.io/v1alpha1",
        "kind": "ChallengePayload",
        "request": {
            "uid": "",
            "action": "Present",
            "type": "dns-01",
            "dnsName": "www.example",
            "key": "value",
            "resourceNamespace": "shop",
            "resolvedFQDN": "_acme-challenge.www.example.",
            "resolvedZone": "example.",
            "allowAmbientCredentials": false,
            "config": {"zone": "example"},
        },
    });
    assert_eq!(*body, expected);
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_one_sentence_with_what_to_do() {
    let failed = json!({"response": {"uid": "", "success": false, "status": {"message": "zone is locked"}}});
    for (code, answer, kind, words) in [
        (
            404,
            refusal(404),
            FaultKind::Other,
            "there is no APIService v1alpha1.acme.example.com, or it is not available, or it has no solver",
        ),
        (
            403,
            refusal(403),
            FaultKind::Other,
            "the verb create on the resource hoster",
        ),
        (503, refusal(503), FaultKind::Unreachable, "is not available"),
        (500, refusal(500), FaultKind::Other, "answered 500"),
        (
            201,
            failed,
            FaultKind::Other,
            "did not write the record _acme-challenge.www.example: zone is locked",
        ),
        (
            201,
            json!({"response": {"success": false}}),
            FaultKind::Other,
            "gives no reason",
        ),
        (201, json!({"a": 1}), FaultKind::Other, "not a ChallengePayload"),
    ] {
        let (solver, _) = solver(code, &answer);
        let fault = solver.change("example", &present()).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
    }
}

/// The API server answers 404 and 503 for more than one reason, and its APIService tells them apart.
#[tokio::test]
async fn a_webhook_that_is_unknown_down_or_without_the_solver_is_told_by_its_api_service() {
    let service = |conditions: Value| {
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
               "metadata": {"name": "v1alpha1.acme.example.com"}, "status": {"conditions": conditions}})
    };
    let down =
        service(json!([{"type": "Available", "status": "False", "reason": "MissingEndpoints", "message": "10.0.0.9"}]));
    let up = service(json!([{"type": "Available", "status": "True", "reason": "Passed"}]));
    let missing = refusal(404);
    for (read, code, kind, words) in [
        (
            (404, &missing),
            404,
            FaultKind::Other,
            "there is no APIService v1alpha1.acme.example.com; install",
        ),
        (
            (200, &up),
            404,
            FaultKind::Other,
            "has no solver \"hoster\"; correct solverName",
        ),
        (
            (200, &down),
            404,
            FaultKind::Unreachable,
            "is not available (MissingEndpoints)",
        ),
        (
            (200, &down),
            503,
            FaultKind::Unreachable,
            "is not available (MissingEndpoints)",
        ),
        (
            (200, &service(json!([]))),
            404,
            FaultKind::Unreachable,
            "has not tried it yet",
        ),
        (
            (200, &up),
            503,
            FaultKind::Unreachable,
            "is not available (kubectl get apiservice",
        ),
    ] {
        let (solver, _) = solver_beside(read, code, &refusal(code).to_string());
        let fault = solver.change("example", &present()).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains("10.0.0.9"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_page_of_something_else_in_place_of_an_answer_is_named_and_not_quoted() {
    let (solver, _) = solver_beside((403, &json!({})), 200, "<html><body>Log in</body></html>");
    let fault = solver.change("example", &present()).await.unwrap_err();
    assert!(
        fault.sentence.contains("not a ChallengePayload") && !fault.sentence.contains("Log in"),
        "{fault:?}"
    );
}

/// Each call is answered when all have come: one after the other they would wait for ever.
#[tokio::test]
async fn a_webhook_that_takes_several_records_at_once_gets_them_so_and_no_other() {
    let all = Arc::new(tokio::sync::Barrier::new(3));
    let service = tower::service_fn(move |_: Request<kube::client::Body>| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            let answer = json!({"response": {"uid": "", "success": true}}).to_string();
            Ok::<_, std::io::Error>(http::Response::new(kube::client::Body::from(answer.into_bytes())))
        }
    });
    let reader = Reader::new(kube::Client::new(service, "default"));
    let parallel = Allows {
        parallel: true,
        ..Allows::default()
    };
    let one = Solver::new(reader.clone(), &settings(), "shop", Allows::default());
    let solver = Solver::new(reader, &settings(), "shop", parallel);
    assert_eq!((one.most_records(), solver.most_records()), (1, 16));
    assert_ne!(one.credential(), solver.credential());
    let mut change = present();
    for value in ["second", "third"] {
        let first = change.add.first().unwrap().clone();
        change.add.insert(Txt {
            value: value.to_owned(),
            ..first
        });
    }
    let made = tokio::time::timeout(Duration::from_secs(30), solver.change("example", &change)).await;
    assert_eq!(made.unwrap(), Ok(None));
}

#[tokio::test]
async fn names_that_lead_to_another_path_of_the_api_server_are_not_called() {
    for (group, name) in [
        ("../api/v1/namespaces/kube-system", "secrets"),
        ("apps/v1/namespaces/kube-system", "deployments"),
        ("acme.example.com", "hoster?x=1"),
        ("acme.example.com", ".."),
        ("acme.example.com", ""),
        ("%2e%2e", "hoster"),
        ("acme.example.com", "hoster/status"),
    ] {
        let (good, sent) = solver(201, &json!({"response": {"success": true}}));
        let settings = Webhook {
            group_name: group.to_owned(),
            solver_name: name.to_owned(),
            config: None,
        };
        let bad = Solver::new(good.0.reader.clone(), &settings, "shop", Allows::default());
        let fault = bad.change("example", &present()).await.unwrap_err();
        assert!(fault.sentence.contains("cannot be called"), "{fault:?}");
        assert!(sent.lock().unwrap().is_empty(), "{group} {name}");
    }
}

#[tokio::test]
async fn another_configuration_is_another_credential_and_is_in_no_text() {
    let (solver, _) = solver(201, &json!({}));
    let text = format!("{solver:?} {}", solver.credential());
    assert!(!text.contains("zone"), "{text}");
    assert!(text.contains("hoster"), "{text}");
}
