use http::Method;
use serde_json::{Value, json};

use super::objects::{certificates, challenges, issuers};
use super::*;
use crate::acme::Action;
use crate::cluster::{index::Index, wire::Record};

fn put<R: Record>(index: &Index, object: &Value) {
    let record: R = serde_json::from_str(&object.to_string()).unwrap();
    R::store(index).apply(&Arc::new(record));
}

fn object(namespace: Option<&str>, spec: &Value, status: &Value) -> Value {
    let mut metadata = json!({"name": "web", "uid": "u", "resourceVersion": "1"});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    json!({"metadata": metadata, "spec": spec, "status": status})
}

/// The samples without what explains them.
fn samples(page: &Page) -> Vec<&str> {
    page.text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn met_01_and_02_a_certificate_has_three_ready_series_and_its_times_zero_while_unknown() {
    let index = Index::default();
    let spec = json!({"secretName": "web", "dnsNames": ["a.example"], "issuerRef": {"name": "le"}});
    put::<crate::plan::seen::Lean<crate::plan::kinds::CertificateKind>>(
        &index,
        &object(
            Some("shop"),
            &spec,
            &json!({
                "conditions": [{"type": "Ready", "status": "False", "reason": "x"}],
                "notAfter": "2026-01-01T00:01:00Z",
            }),
        ),
    );
    let page = Page {
        text: certificates(&Arc::new(index)).collect(),
    };
    let issuer = r#"name="web",namespace="shop",issuer_name="le",issuer_kind="Issuer",issuer_group="cert-manager.io""#;
    let ready = |answer: &str, value: u8| {
        format!("certmanager_certificate_ready_status{{{issuer},condition=\"{answer}\"}} {value}")
    };
    let time = |name: &str, value: u32| format!("certmanager_certificate_{name}_timestamp_seconds{{{issuer}}} {value}");
    assert_eq!(
        samples(&page),
        [
            ready("True", 0),
            ready("False", 1),
            ready("Unknown", 0),
            time("expiration", 1_767_225_660),
            time("not_after", 1_767_225_660),
            time("not_before", 0),
            time("renewal", 0),
        ]
    );
}

#[test]
fn all_that_a_page_says_of_a_certificate_is_of_one_moment_and_its_record_is_opened_once() {
    let index = Arc::new(Index::default());
    let certificate = |number: u32, not_after: &str| {
        let spec =
            json!({"secretName": "web", "dnsNames": ["a.example"], "issuerRef": {"name": format!("ca{}", number % 3)}});
        let mut object = object(
            Some("shop"),
            &spec,
            &json!({ "notAfter": not_after, "notBefore": not_after, "renewalTime": not_after }),
        );
        object["metadata"]["name"] = format!("web{number:04}").into();
        object["metadata"]["uid"] = format!("u{number}").into();
        put::<crate::plan::seen::Lean<crate::plan::kinds::CertificateKind>>(&index, &object);
    };
    (0..450).for_each(|number| certificate(number, "2026-01-01T00:01:00Z"));
    let mut pieces = certificates(&index);
    // head and the three pieces of the first family
    let first: String = pieces.by_ref().take(4).collect();
    (0..450).for_each(|number| certificate(number, "2027-01-01T00:01:00Z"));
    let page = Page {
        text: first + &pieces.collect::<String>(),
    };
    let samples = samples(&page);
    assert_eq!(samples.len(), 450 * 7);
    let times: Vec<_> = samples
        .iter()
        .filter(|line| line.contains("_timestamp_seconds"))
        .collect();
    assert!(
        times.iter().all(|line| line.ends_with(" 1767225660")),
        "{:?}",
        times.first()
    );
    for number in 0..450 {
        let labels = format!(
            "name=\"web{number:04}\",namespace=\"shop\",issuer_name=\"ca{}\",",
            number % 3
        );
        assert_eq!(
            samples.iter().filter(|line| line.contains(&labels)).count(),
            7,
            "{labels}"
        );
    }
}

#[test]
fn met_03_a_challenge_is_one_series_with_its_state_and_reason() {
    let index = Index::default();
    let spec = json!({
        "url": "https://ca/c", "authorizationURL": "https://ca/a", "dnsName": "a.example", "type": "HTTP-01", "token": "t",
        "key": "t.k", "solver": {}, "issuerRef": {"name": "le"},
    });
    let status = json!({"state": "pending", "processing": true, "reason": "it said \"no\""});
    put::<crate::plan::seen::Lean<crate::plan::kinds::ChallengeKind>>(&index, &object(Some("shop"), &spec, &status));
    let mut page = Page::default();
    challenges(&index, &mut page);
    let labels = r#"status="pending",domain="a.example",reason="it said \"no\"",processing="true",name="web",namespace="shop",type="HTTP-01""#;
    assert_eq!(
        samples(&page),
        [format!("certmanager_certificate_challenge_status{{{labels}}} 1")]
    );
}

#[test]
fn met_04_issuers_of_both_kinds_have_three_series() {
    let index = Index::default();
    let status = json!({"conditions": [{"type": "Ready", "status": "True", "reason": "IsReady"}]});
    put::<crate::plan::seen::Lean<crate::plan::kinds::IssuerKind>>(
        &index,
        &object(Some("shop"), &json!({"selfSigned": {}}), &status),
    );
    put::<crate::plan::seen::Lean<crate::plan::kinds::ClusterIssuerKind>>(
        &index,
        &object(None, &json!({"selfSigned": {}}), &json!({})),
    );
    let mut page = Page::default();
    issuers(&index, &mut page);
    assert_eq!(
        samples(&page),
        [
            r#"certmanager_issuer_ready_status{name="web",namespace="shop",condition="True"} 1"#,
            r#"certmanager_issuer_ready_status{name="web",namespace="shop",condition="False"} 0"#,
            r#"certmanager_issuer_ready_status{name="web",namespace="shop",condition="Unknown"} 0"#,
            r#"certmanager_clusterissuer_ready_status{name="web",condition="True"} 0"#,
            r#"certmanager_clusterissuer_ready_status{name="web",condition="False"} 0"#,
            r#"certmanager_clusterissuer_ready_status{name="web",condition="Unknown"} 1"#,
        ]
    );
}

fn exchange(host: &str, status: Option<u16>, millis: u64) -> Exchange<'_> {
    const POST: &Method = &Method::POST;
    Exchange {
        action: Action::NewOrder,
        scheme: "https",
        host,
        method: POST,
        status,
        duration: Duration::from_millis(millis),
    }
}

#[test]
fn met_05_requests_to_acme_servers_are_counted_and_their_durations_summed_up() {
    let metrics = Metrics::default();
    for millis in [100, 200, 300] {
        metrics.exchanged(&exchange("ca.example", Some(201), millis));
    }
    metrics.exchanged(&exchange("ca.example", None, 1000));
    let mut page = Page::default();
    acme(&metrics, &mut page);
    let labels = r#"scheme="https",host="ca.example",action="create_order",method="POST",status="201""#;
    let shown = samples(&page);
    for line in [
        format!("certmanager_http_acme_client_request_count{{{labels}}} 3"),
        format!("certmanager_http_acme_client_request_duration_seconds{{{labels},quantile=\"0.5\"}} 0.2"),
        format!("certmanager_http_acme_client_request_duration_seconds{{{labels},quantile=\"0.99\"}} 0.3"),
        format!("certmanager_http_acme_client_request_duration_seconds_sum{{{labels}}} 0.6"),
        format!("certmanager_http_acme_client_request_duration_seconds_count{{{labels}}} 3"),
    ] {
        assert!(shown.contains(&line.as_str()), "{line} is not among {shown:#?}");
    }
    assert!(page.text.contains(r#"status="error""#), "{}", page.text);
    assert!(
        page.text
            .contains("# TYPE certmanager_http_acme_client_request_count counter\n")
    );
    assert!(
        page.text
            .contains("# TYPE certmanager_http_acme_client_request_duration_seconds summary\n")
    );
}

#[test]
fn whoever_names_many_servers_does_not_fill_the_memory() {
    let metrics = Metrics::default();
    for number in 0..SERIES_LIMIT * 2 {
        metrics.exchanged(&exchange(&format!("ca{number}.example"), Some(200), 1));
    }
    for _ in 0..RECENT * 2 {
        metrics.exchanged(&exchange("ca0.example", Some(200), 1));
    }
    let acme = metrics.acme.lock().unwrap();
    assert_eq!(acme.len(), SERIES_LIMIT);
    assert!(acme.values().all(|durations| durations.recent.len() <= RECENT));
}

#[test]
fn met_08_and_09_what_the_controllers_and_the_clock_say() {
    let mut page = Page::default();
    controllers(&[("orders", (7, 2))], &mut page);
    process(1_767_225_660, &mut page);
    let shown = samples(&page);
    for line in [
        r#"certmanager_controller_sync_call_count{controller="orders"} 7"#,
        r#"certmanager_controller_sync_error_count{controller="orders"} 2"#,
        "certmanager_clock_time_seconds 1767225660",
        "certmanager_clock_time_seconds_gauge 1767225660",
    ] {
        assert!(shown.contains(&line), "{line} is not among {shown:#?}");
    }
    let value = |name: &str| -> f64 {
        let found = shown.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_cpu_seconds_total") >= 0.0);
    // not before this was written, and not after now
    let started = value("process_start_time_seconds");
    assert!((1.7e9..1e11).contains(&started), "{started}");
}

#[test]
fn a_label_value_is_escaped_as_the_format_asks() {
    let mut text = String::new();
    sample(&mut text, "m", &[("a", "say \"hi\"\\\n")], 1.5);
    assert_eq!(text, "m{a=\"say \\\"hi\\\"\\\\\\n\"} 1.5\n");
}

#[test]
fn a_condition_is_three_series_of_which_one_is_set() {
    let mut page = Page::default();
    page.condition("m", &[], &[]);
    assert_eq!(
        page.text,
        "m{condition=\"True\"} 0\nm{condition=\"False\"} 0\nm{condition=\"Unknown\"} 1\n"
    );
}

#[test]
fn every_name_is_explained_once() {
    let index = Arc::new(Index::default());
    let mut page = Page {
        text: certificates(&index).collect(),
    };
    issuers(&index, &mut page);
    challenges(&index, &mut page);
    controllers(&[], &mut page);
    acme(&Metrics::default(), &mut page);
    process(0, &mut page);
    let mut names: Vec<&str> = page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert!(names.len() > 15, "{names:?}");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
