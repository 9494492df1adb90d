mod own;

use std::sync::Arc;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::objects::{certificates, challenges, issuers as issuers_of};
use super::*;
use crate::acme::Action;
use crate::cluster::index::{Index, Registered};
use crate::controller::queues::Queues;
use crate::plan::kinds::{CertificateKind, ChallengeKind, ClusterIssuerKind, IssuerKind};
use crate::plan::seen::Lean;
use crate::plan::settings::Settings;
use crate::process::metrics::{Metrics, RequestLabels};

fn put<R: Registered>(index: &Index, object: &Value) {
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

/// The name, labels and value of a series.
type Series = (String, BTreeMap<String, String>, f64);

/// Series as tests compare them: the order of labels means nothing.
fn parsed(page: &Page) -> Vec<Series> {
    let mut series: Vec<Series> = samples(page).into_iter().map(one_series).collect();
    series.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    series
}

fn one_series(line: &str) -> Series {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix("\"}").unwrap()),
        None => (series, ""),
    };
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let labels = pairs.map(|pair| {
        let (label, text) = pair.split_once("=\"").unwrap();
        (label.to_owned(), text.replace("\\\"", "\""))
    });
    (name.to_owned(), labels.collect(), value.parse().unwrap())
}

/// What cert-manager's own tests expect of an object.
fn expected(case: &Value) -> Vec<Series> {
    let labels: BTreeMap<String, String> = serde_json::from_value(case["labels"].clone()).unwrap();
    let values = case["values"].as_object().unwrap().iter();
    let mut series: Vec<Series> = values
        .map(|(name, value)| (name.clone(), labels.clone(), value.as_f64().unwrap()))
        .collect();
    let one_of = &case["one_of"];
    for answer in one_of["of"].as_array().unwrap() {
        let mut labels = labels.clone();
        let label = one_of["label"].as_str().unwrap().to_owned();
        labels.insert(label, answer.as_str().unwrap().to_owned());
        let value = f64::from(u8::from(*answer == one_of["set"]));
        series.push((one_of["family"].as_str().unwrap().to_owned(), labels, value));
    }
    series.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    series
}

#[test]
fn met_01_to_04_an_object_has_the_series_that_cert_manager_s_tests_expect() {
    let data: Value = serde_json::from_str(include_str!("../../../../tests/data/metrics/objects.json")).unwrap();
    let cases = data["cases"].as_array().unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        let index = Arc::new(Index::default());
        let mut object = object(case["namespace"].as_str(), &case["spec"], &case["status"]);
        object["metadata"]["name"] = case["name"].clone();
        match case["kind"].as_str().unwrap() {
            "Certificate" => put::<Lean<CertificateKind>>(&index, &object),
            "Issuer" => put::<Lean<IssuerKind>>(&index, &object),
            "ClusterIssuer" => put::<Lean<ClusterIssuerKind>>(&index, &object),
            "Challenge" => put::<Lean<ChallengeKind>>(&index, &object),
            other => panic!("{other}"),
        }
        let page = Page {
            text: objects::all(&index).collect(),
        };
        assert_eq!(parsed(&page), expected(case), "{}", case["case"]);
    }
}

#[test]
fn a_challenge_with_an_endless_reason_does_not_fill_the_page() {
    let index = Arc::new(Index::default());
    let spec = json!({
        "url": "https://ca/c", "authorizationURL": "https://ca/a", "dnsName": "a.example", "type": "HTTP-01", "token": "t",
        "key": "t.k", "solver": {}, "issuerRef": {"name": "le"},
    });
    let status = json!({"state": "pending", "reason": "\u{e9}".repeat(500_000)});
    put::<Lean<ChallengeKind>>(&index, &object(Some("shop"), &spec, &status));
    let page: String = challenges(&index).collect();
    assert!(page.len() < 8 * 1_500, "{}", page.len());
}

#[test]
fn the_page_is_made_in_small_pieces_however_many_objects_there_are() {
    let index = Arc::new(Index::default());
    for number in 0..2_000 {
        let mut object = object(Some("shop"), &json!({"selfSigned": {}}), &json!({}));
        object["metadata"]["name"] = format!("issuer{number}").into();
        object["metadata"]["uid"] = format!("u{number}").into();
        put::<Lean<IssuerKind>>(&index, &object);
    }
    let pieces: Vec<String> = issuers_of(&index).collect();
    assert_eq!(pieces.concat().matches("condition=\"True\"").count(), 2_000);
    assert!(pieces.iter().all(|piece| piece.len() < 16 << 10));
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
        put::<Lean<CertificateKind>>(&index, &object);
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

fn count(metrics: &Metrics, host: &str, status: Option<u16>, millis: u64) {
    let labels = RequestLabels {
        scheme: "https",
        host,
        action: Action::NewOrder.label(),
        method: "POST",
        status,
    };
    metrics.requests.count(&labels, Duration::from_millis(millis));
}

#[test]
fn met_05_requests_to_acme_servers_are_counted_and_their_durations_summed_up() {
    let metrics = Metrics::default();
    for millis in [100, 200, 300] {
        count(&metrics, "ca.example", Some(201), millis);
    }
    count(&metrics, "ca.example", None, 1000);
    let mut page = Page::default();
    metrics.requests.write(&mut page);
    let labels = r#"scheme="https",host="ca.example",action="authorize_order",method="POST",status="201""#;
    let shown = samples(&page);
    for line in [
        format!("certmanager_http_acme_client_request_count{{{labels}}} 3"),
        format!("certmanager_http_acme_client_request_duration_seconds_sum{{{labels}}} 0.6"),
        format!("certmanager_http_acme_client_request_duration_seconds_count{{{labels}}} 3"),
        "certlet_http_acme_client_requests_folded_total 0".to_owned(),
    ] {
        assert!(shown.contains(&line.as_str()), "{line} is not among {shown:#?}");
    }
    for (quantile, expected) in [("0.5", 0.2), ("0.9", 0.3), ("0.99", 0.3)] {
        let name =
            format!("certmanager_http_acme_client_request_duration_seconds{{{labels},quantile=\"{quantile}\"}} ");
        let value: f64 = shown
            .iter()
            .find_map(|line| line.strip_prefix(&name))
            .unwrap()
            .parse()
            .unwrap();
        assert!((value - expected).abs() < 1e-6, "{quantile}: {value}");
    }
    assert!(page.text.contains(r#"status="999"} 1"#), "{}", page.text);
    for type_ in ["request_count counter", "request_duration_seconds summary"] {
        let line = format!("# TYPE certmanager_http_acme_client_{type_}\n");
        assert!(page.text.contains(&line), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn quantiles_are_those_of_the_last_ten_minutes() {
    let metrics = Metrics::default();
    count(&metrics, "ca.example", Some(200), 100);
    tokio::time::advance(Duration::from_secs(601)).await;
    let mut page = Page::default();
    metrics.requests.write(&mut page);
    assert!(page.text.contains("quantile=\"0.5\"} NaN\n"), "{}", page.text);
    assert!(page.text.contains("seconds_count{"), "{}", page.text);
}

#[test]
fn whoever_names_many_servers_fills_no_memory_and_every_request_is_counted_all_the_same() {
    const SERVERS: u32 = 9_000;
    let metrics = Metrics::default();
    for number in 0..SERVERS {
        count(&metrics, &format!("ca{number}.example"), Some(200), 1);
    }
    for _ in 0..1_000 {
        count(&metrics, "ca0.example", Some(200), 1);
    }
    let mut page = Page::default();
    metrics.requests.write(&mut page);
    let count = "certmanager_http_acme_client_request_count";
    let series: Vec<Series> = parsed(&page).into_iter().filter(|(name, ..)| name == count).collect();
    assert!(series.len() <= 4_001, "{}", series.len());
    let sum: f64 = series.iter().map(|(_, _, value)| value).sum();
    assert!((sum - f64::from(SERVERS + 1_000)).abs() < f64::EPSILON, "{sum}");
    let folded: f64 = series
        .iter()
        .filter(|(_, labels, _)| labels["host"] == "other")
        .map(|(_, _, value)| value)
        .sum();
    let stated = format!("certlet_http_acme_client_requests_folded_total {folded}\n");
    assert!(folded > 1.0 && page.text.contains(&stated), "{folded}");
}

#[test]
fn met_09_and_10_what_the_clock_and_the_process_say() {
    let mut page = Page::default();
    write_process(1_767_225_660, &mut page);
    let shown = samples(&page);
    for line in [
        "certmanager_clock_time_seconds 1767225660",
        "certmanager_clock_time_seconds_gauge 1767225660",
    ] {
        assert!(shown.contains(&line), "{line} is not among {shown:#?}");
    }
    let value = |name: &str| -> f64 {
        let found = shown.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    let resident = value("process_resident_memory_bytes");
    assert!(resident > 1e6 && value("process_virtual_memory_bytes") > resident);
    assert!(value("process_virtual_memory_max_bytes") > resident);
    let open = value("process_open_fds");
    assert!(open >= 3.0 && value("process_max_fds") > open);
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("process_network_receive_bytes_total") >= 0.0);
    assert!(value("process_network_transmit_bytes_total") >= 0.0);
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
    condition::ready(&mut page, "m", &[], &[]);
    assert_eq!(
        page.text,
        "m{condition=\"True\"} 0\nm{condition=\"False\"} 0\nm{condition=\"Unknown\"} 1\n"
    );
}

#[test]
fn every_name_is_explained_once() {
    let index = Arc::new(Index::default());
    let mut page = Page {
        text: objects::all(&index).collect(),
    };
    controllers::write(&Settings::default(), &Queues::default(), &mut page);
    leading(&Leadership::default(), &mut page);
    issuers::authorities(&[], &mut page);
    slots((1, 2), 60, &mut page);
    let metrics = Metrics::default();
    metrics.requests.write(&mut page);
    metrics.rate_limits.write(Timestamp::UNIX_EPOCH, &mut page);
    metrics.api_calls.write(&mut page);
    metrics.issuances.write(&mut page);
    metrics.findings.write(&mut page);
    write_process(0, &mut page);
    let documented = include_str!("../../../../docs/metrics.md");
    let types = page.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let ours = types
        .filter_map(|family| family.split(' ').next())
        .filter(|name| name.starts_with("certlet_"));
    for name in ours {
        assert!(
            documented.contains(&format!("`{name}`")),
            "{name} is not in docs/metrics.md"
        );
    }
    let mut names: Vec<&str> = page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert!(names.len() > 38, "{names:?}");
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
