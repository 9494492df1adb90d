mod records;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::plan::order::{facts::Gate, fault::Verdict, memory::Trouble, outcome};

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// `NOW` and this many hours.
fn at(hours: i64) -> String {
    (now() + jiff::SignedDuration::from_hours(hours)).to_string()
}

fn question() -> Question {
    Question {
        namespace: None,
        backoff: Backoff {
            first: Duration::from_secs(3600),
            longest: Duration::from_secs(32 * 3600),
        },
        unlisted: Vec::new(),
    }
}

fn object<T: for<'de> serde::Deserialize<'de>>(
    name: &str,
    owner: Option<&str>,
    spec: &Value,
    status: &Value,
) -> Arc<T> {
    let owners: Vec<Value> = owner.into_iter().map(owner_of).collect();
    let object = json!({
        "metadata": { "name": name, "namespace": "shop", "uid": name, "creationTimestamp": at(-100), "ownerReferences": owners },
        "spec": spec, "status": status,
    });
    Arc::new(serde_json::from_str(&object.to_string()).unwrap())
}

fn owner_of(owner: &str) -> Value {
    let (kind, name) = owner.split_once('/').unwrap();
    json!({ "apiVersion": "cert-manager.io/v1", "kind": kind, "name": name, "uid": name, "controller": true })
}

fn certificate(name: &str, status: &Value) -> Seen {
    let spec = json!({ "secretName": name, "dnsNames": ["a.example"], "issuerRef": { "name": "le" } });
    Seen::Certificate(object(name, None, &spec, status))
}

fn issuer(ready: &str, message: &str) -> Seen {
    let condition = json!({ "type": "Ready", "status": ready, "reason": "R", "message": message });
    let spec = json!({ "acme": { "server": "https://acme.example/dir", "privateKeySecretRef": { "name": "k" } } });
    let status = json!({ "conditions": [condition], "acme": { "uri": "https://acme.example/acct/1" } });
    Seen::Issuer(object("le", None, &spec, &status))
}

fn condition(type_: &str, status: &str, message: &str, hours: i64) -> Value {
    json!({ "type": type_, "status": status, "reason": "Because", "message": message, "lastTransitionTime": at(hours) })
}

/// A valid certificate of 90 days that is renewed in `renewal` hours, with further fields.
fn valid(renewal: i64, more: &Value) -> Value {
    let (not_before, not_after) = (at(renewal - 1440), at(renewal + 720));
    let mut status = json!({ "conditions": [condition("Ready", "True", "", -1)], "notBefore": not_before, "notAfter": not_after,
        "renewalTime": at(renewal), "revision": 1 });
    for (name, value) in more.as_object().unwrap() {
        status[name] = value.clone();
    }
    status
}

fn issuing(hours: i64) -> Value {
    json!({ "conditions": [condition("Ready", "False", "no Secret", hours), condition("Issuing", "True", "no Secret", hours)] })
}

fn seen(objects: Vec<Seen>) -> Overview {
    overview(now(), &question(), objects)
}

fn sentences(overview: &Overview) -> Vec<String> {
    let line = |entry: &Entry| {
        format!(
            "{} {} {}: {}",
            entry.urgency.word(),
            entry.name,
            entry.reason,
            entry.sentence
        )
    };
    overview.problems.iter().map(line).collect()
}

#[test]
fn problems_are_sorted_by_urgency_then_by_expiry_with_one_sentence_each() {
    let failed = json!({ "failedIssuanceAttempts": 3, "lastFailureTime": at(-2),
        "conditions": [condition("Ready", "True", "", -1), condition("Issuing", "False", "the CA refused", -2)] });
    let never = json!({ "failedIssuanceAttempts": 1, "lastFailureTime": at(-2),
        "conditions": [condition("Ready", "False", "no Secret", -3), condition("Issuing", "False", "denied", -2)] });
    let overview = seen(vec![
        certificate("fresh", &json!({})),
        certificate("well", &valid(24, &json!({}))),
        certificate("failing", &valid(-20, &failed)),
        certificate("never", &never),
        certificate("soon", &valid(-600, &failed)),
        certificate("sooner", &valid(-700, &failed)),
        certificate("gone", &valid(-800, &failed)),
        certificate("overdue", &valid(-30, &json!({}))),
        issuer("True", ""),
    ]);
    assert_eq!(
        sentences(&overview),
        [
            "expired gone Because: expired 3 days ago: 3 issuances in a row failed, the last 2 hours ago: the CA refused; next attempt in 2 hours",
            "expiring sooner Because: expires in 20 hours: 3 issuances in a row failed, the last 2 hours ago: the CA refused; next attempt in 2 hours",
            "expiring soon Because: expires in 5 days: 3 issuances in a row failed, the last 2 hours ago: the CA refused; next attempt in 2 hours",
            "missing fresh NotReconciled: no certificate: it has not been reconciled: is the controller running?",
            "missing never Because: no certificate: the issuance failed 2 hours ago: denied",
            "failing overdue RenewalOverdue: expires in 28 days: its renewal was due 30 hours ago and has not begun: is the controller running?",
            "failing failing Because: expires in 29 days: 3 issuances in a row failed, the last 2 hours ago: the CA refused; next attempt in 2 hours",
        ]
    );
}

#[test]
fn the_innermost_object_says_why_a_certificate_is_not_ready() {
    let request = json!({ "request": "", "issuerRef": { "name": "le" } });
    let approved = json!({ "conditions": [condition("Approved", "True", "", -1)] });
    let order = json!({ "request": "", "issuerRef": { "name": "le" }, "dnsNames": ["a.example"] });
    let challenge = json!({ "url": "", "authorizationURL": "", "dnsName": "a.example", "type": "HTTP-01", "token": "", "key": "",
        "solver": {}, "issuerRef": { "name": "le" } });
    let mut objects = vec![certificate("web", &issuing(0)), issuer("True", "")];
    let why = |objects: &[Seen]| {
        let overview = seen(objects.to_vec());
        let entry = overview
            .problems
            .iter()
            .find(|entry| entry.kind == "Certificate")
            .unwrap();
        (entry.reason.clone(), entry.sentence.clone())
    };
    let says = |reason: &str, sentence: &str| (reason.to_owned(), format!("not ready yet: {sentence}"));
    assert_eq!(why(&objects), says("Issuing", "no Secret"));

    let waits = Seen::Request(object("web-1", Some("Certificate/web"), &request, &json!({})));
    objects.push(waits);
    let waits = "CertificateRequest web-1 waits for approval";
    assert_eq!(why(&objects), says("WaitingForApproval", waits));

    *objects.last_mut().unwrap() = Seen::Request(object("web-1", Some("Certificate/web"), &request, &approved));
    assert_eq!(
        why(&objects),
        says("RequestPending", "CertificateRequest web-1 is pending")
    );

    let until = "Waiting until 2026-03-01T12:10:00Z before the CA is asked for another order: too many";
    let limited = json!({ "state": "pending", "reason": until });
    objects.push(Seen::Order(object(
        "web-1-1",
        Some("CertificateRequest/web-1"),
        &order,
        &limited,
    )));
    let limited = says("RateLimited", &format!("{until}; next attempt in 10 minutes"));
    assert_eq!(why(&objects), limited);
    let issuers = seen(objects.clone()).issuers;
    assert_eq!(issuers[0].limited_until, Some("2026-03-01T12:10:00Z".parse().unwrap()));

    let finding =
        json!({ "state": "pending", "presented": true, "reason": "a.example resolves to 192.0.2.7, which refuses" });
    objects.push(Seen::Challenge(object(
        "c",
        Some("Order/web-1-1"),
        &challenge,
        &finding,
    )));
    let finding = "challenge for a.example: a.example resolves to 192.0.2.7, which refuses";
    assert_eq!(why(&objects), says("ChallengePending", finding));
    let overview = seen(objects.clone());
    assert_eq!((overview.counts.orders, overview.counts.challenges), (1, 1));
    assert!(overview.challenges[0].presented);

    objects[1] = issuer("False", "the account is gone.");
    let (reason, sentence) = why(&objects);
    assert_eq!(reason, "IssuerNotReady");
    assert_eq!(
        sentence,
        "no certificate: the Issuer le is not ready: the account is gone"
    );
    objects.remove(1);
    assert_eq!(why(&objects).1, "no certificate: the Issuer le does not exist");
    let blind = Question {
        unlisted: vec!["Issuer"],
        ..question()
    };
    let unknown = overview_of(&blind, objects);
    assert_eq!(
        unknown.problems[0].reason, "ChallengePending",
        "an Issuer that may not be listed may exist"
    );
}

fn overview_of(question: &Question, objects: Vec<Seen>) -> Overview {
    overview(now(), question, objects)
}

/// The texts are written by other modules: a change of their words must not lose the time.
#[test]
fn the_time_in_the_reason_of_an_order_and_in_a_condition_is_read_back() {
    let until: Timestamp = "2026-03-01T12:10:00Z".parse().unwrap();
    let gate = Gate {
        until,
        sentence: "too many until 2030-01-01T00:00:00Z".to_owned(),
    };
    assert_eq!(outcome::waits_until(&outcome::gated(&gate)), Some(until));
    let trouble = Trouble {
        sentence: "the CA answered 429".to_owned(),
        verdict: Verdict::Wait(until),
        until,
    };
    assert_eq!(
        outcome::waits_until(&outcome::trouble(&trouble, 1).unwrap()),
        Some(until)
    );
    for other in [
        "",
        "Waiting until",
        "Waiting until then before",
        "it is tried again at noon, as the CA asks",
    ] {
        assert_eq!(outcome::waits_until(other), None, "{other}");
    }
    let unsettled = json!({ "failedIssuanceAttempts": 4, "conditions": [condition("Ready", "False", "", -1),
        condition("Unsettled", "True", "4 certificates in a row did not last. Next attempt at 2026-03-01T12:10:00Z", -1)] });
    let overview = seen(vec![certificate("web", &unsettled), issuer("True", "")]);
    assert_eq!(overview.problems[0].next_attempt_time, Some(until));
}

#[test]
fn an_outage_the_work_of_a_fallback_issuer_and_a_copy_that_is_missing_are_shown() {
    let outage = condition("IssuerUnavailable", "True", "Issuer \"le\" has been unreachable", -1);
    let waiting = json!({ "conditions": [condition("Ready", "False", "no Secret", 0), condition("Issuing", "True", "no Secret", 0), outage] });
    let issued = condition("IssuedByFallback", "True", "Issued by Issuer \"other\"", -1);
    let well = json!({ "conditions": [condition("Ready", "True", "", -1), issued] });
    let sentence = |status: &Value| {
        let mut facts = Facts::default();
        facts.add(certificate("web", status));
        facts.add(issuer("False", "it does not answer"));
        let of = &facts.certificates[0];
        judge::certificate(now(), &question(), &facts, of).entry.sentence
    };
    assert_eq!(
        sentence(&waiting),
        "not ready yet: Issuer \"le\" has been unreachable: no Secret"
    );
    assert_eq!(
        sentence(&valid(24, &well)),
        "renewed in 24 hours: Issued by Issuer \"other\""
    );
    let synced = |status| condition("SecretSynced", status, "namespace b does not accept it", -1);
    let of = |status| json!({ "conditions": [condition("Ready", "True", "", -1), synced(status)] });
    assert_eq!(
        sentence(&valid(24, &of("False"))),
        "expires in 31 days: namespace b does not accept it"
    );
    assert_eq!(sentence(&valid(24, &of("True"))), "renewed in 24 hours");
}

#[test]
fn an_issuance_that_takes_long_counts_as_failing() {
    let overview = seen(vec![certificate("web", &issuing(-3)), issuer("True", "")]);
    assert_eq!(
        sentences(&overview),
        ["missing web Issuing: no certificate: in progress for 3 hours: no Secret"]
    );
}

#[test]
fn a_certificate_without_automatic_renewal_is_urgent_only_near_its_end() {
    let off = |not_after: i64| {
        let mut status = valid(0, &json!({}));
        (status["renewalTime"], status["notAfter"]) = (Value::Null, json!(at(not_after)));
        status["notBefore"] = json!(at(not_after - 2160));
        sentences(&seen(vec![certificate("web", &status), issuer("True", "")]))
    };
    assert_eq!(off(241), Vec::<String>::new());
    assert_eq!(
        off(239),
        ["expiring web RenewalDisabled: expires in 9 days: automatic renewal is disabled"]
    );
}

#[test]
fn what_renews_next_comes_first_and_the_schedule_counts_each_day() {
    let overview = seen(vec![
        certificate("later", &valid(50, &json!({}))),
        certificate("next", &valid(2, &json!({}))),
        certificate("much-later", &valid(24 * 200, &json!({}))),
        issuer("True", ""),
    ]);
    assert!(overview.well && overview.problems.is_empty());
    let names: Vec<&str> = overview.renewals.iter().map(|renewal| &*renewal.name).collect();
    assert_eq!(names, ["next", "later", "much-later"]);
    assert_eq!(overview.schedule.len(), SCHEDULE_DAYS);
    let counts: Vec<usize> = overview.schedule.iter().take(4).map(|day| day.renewals).collect();
    assert_eq!(counts, [1, 0, 1, 0]);
    assert_eq!(overview.issuers[0].certificates, 3);
}

#[test]
fn an_issuer_that_is_not_ready_is_a_problem_with_the_number_of_its_certificates() {
    let overview = seen(vec![
        certificate("web", &valid(2, &json!({}))),
        issuer("False", "no account"),
    ]);
    assert_eq!(
        sentences(&overview),
        ["failing le R: not ready, used by 1 Certificate: no account"]
    );
}

#[test]
fn ten_thousand_certificates_are_one_overview() {
    let certificates = (0..10_000).map(|number| certificate(&format!("web-{number}"), &valid(number, &json!({}))));
    let overview = seen(certificates.chain([issuer("True", "")]).collect());
    assert_eq!(overview.counts.of(Urgency::Well), 10_000);
    assert_eq!(overview.renewals.len(), MOST_RENEWALS);
    assert_eq!(overview.issuers[0].certificates, 10_000);
}

proptest! {
    /// Whatever is in a status, the overview is made, and each Certificate is counted once.
    #[test]
    fn each_certificate_has_one_place(
        renewal in -2000_i64..2000, attempts in 0_i64..9, ready in any::<bool>(), in_progress in any::<bool>(), text in any::<String>(),
    ) {
        let word = |yes: bool| if yes { "True" } else { "False" };
        let mut status = valid(renewal, &json!({ "failedIssuanceAttempts": attempts }));
        status["conditions"] = json!([condition("Ready", word(ready), &text, -1), condition("Issuing", word(in_progress), &text, -1)]);
        let overview = seen(vec![certificate("web", &status), issuer("True", "")]);
        prop_assert_eq!(overview.problems.len() + overview.renewals.len(), 1);
        prop_assert_eq!(overview.counts.certificates_by_urgency.values().sum::<usize>(), 1);
        let entry = overview.problems.first();
        prop_assert!(entry.is_none_or(|entry| !entry.sentence.is_empty() && !entry.reason.is_empty()));
    }
}
