//! The report of `certlet status`: a pure function of the objects that were read.

use std::fmt::Write;

use jiff::Timestamp;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::{Resource, ResourceExt, core::NamespaceResourceScope};
use serde::Serialize;

use crate::{
    api::{Certificate, CertificateRequest, Challenge, Condition, Order, Time, condition, names},
    pki::certificate::CertificateInfo,
    text::line,
};

/// A kind in the chain of owners from Certificate to Challenge.
pub(super) trait Parent:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}
impl<K> Parent for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug
{
}

/// The objects that were read.
pub(super) struct Facts {
    pub(super) certificate: Certificate,
    pub(super) requests: Vec<CertificateRequest>,
    pub(super) orders: Vec<Order>,
    pub(super) challenges: Vec<Challenge>,
    pub(super) issuer: Option<Vec<Condition>>,
    /// The certificate in the Secret. The layers are: permission denied, no Secret, unreadable content, content.
    pub(super) secret: Result<Option<Result<CertificateInfo, String>>, String>,
}

/// The report, with texts ready to print.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    certificate: String,
    ready: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuing: Option<String>,
    names: Vec<String>,
    issuer: String,
    secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<String>,
    requests: Vec<String>,
    orders: Vec<String>,
    challenges: Vec<String>,
    next: String,
}

impl Report {
    /// Evaluates `facts` at the time `now`.
    pub(super) fn new(now: Timestamp, facts: &Facts) -> Self {
        let Facts {
            certificate,
            requests,
            orders,
            challenges,
            issuer: _,
            secret: _,
        } = facts;
        let (spec, status) = (&certificate.spec, certificate.status.clone().unwrap_or_default());
        let conditions = &status.conditions;
        let time = |time: &Option<Time>| time.as_ref().map(|time| time.0.to_string());
        let names = spec
            .common_name
            .iter()
            .chain(&spec.dns_names)
            .chain(&spec.ip_addresses)
            .chain(&spec.uris);
        let mut names: Vec<String> = names.chain(&spec.email_addresses).cloned().collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Self {
            certificate: format!(
                "{}/{}",
                certificate.namespace().unwrap_or_default(),
                certificate.name_any()
            ),
            ready: condition::get(conditions, condition::READY).map_or_else(|| "not reconciled yet".into(), sentence),
            issuing: condition::get(conditions, condition::ISSUING)
                .filter(|issuing| issuing.is_true())
                .map(sentence),
            names,
            issuer: issuer(facts),
            secret: secret(facts),
            not_before: time(&status.not_before),
            not_after: time(&status.not_after),
            renewal_time: time(&status.renewal_time),
            revision: status.revision,
            failures: status
                .failed_issuance_attempts
                .filter(|attempts| *attempts > 0)
                .map(|attempts| {
                    let last = status
                        .last_failure_time
                        .as_ref()
                        .map(|last| format!(", last {}", ago(now, last.0)));
                    format!("{attempts} in a row{}", last.unwrap_or_default())
                }),
            requests: requests.iter().map(request).collect(),
            orders: orders.iter().map(order).collect(),
            challenges: challenges.iter().map(challenge).collect(),
            next: next(now, facts),
        }
    }

    /// The report as text for people.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let mut text = String::new();
        let mut row = |label: &str, value: &str| {
            let _infallible = writeln!(text, "{:<13}{}", format!("{label}:"), line(value));
        };
        row("Certificate", &self.certificate);
        row("Ready", &self.ready);
        if let Some(issuing) = &self.issuing {
            row("Issuing", issuing);
        }
        row("Names", &self.names.join(", "));
        row("Issuer", &self.issuer);
        row("Secret", &self.secret);
        for (label, time) in [
            ("Valid from", &self.not_before),
            ("Valid until", &self.not_after),
            ("Renewal", &self.renewal_time),
        ] {
            if let Some(time) = time {
                let relative = time
                    .parse()
                    .map(|at| format!("  ({})", ago(now, at)))
                    .unwrap_or_default();
                row(label, &format!("{time}{relative}"));
            }
        }
        if let Some(revision) = self.revision {
            row("Revision", &revision.to_string());
        }
        if let Some(failures) = &self.failures {
            row("Failures", failures);
        }
        for (label, lines) in [
            ("Request", &self.requests),
            ("Order", &self.orders),
            ("Challenge", &self.challenges),
        ] {
            for value in lines {
                row(label, value);
            }
        }
        row("Next", &self.next);
        text
    }
}

fn sentence(condition: &Condition) -> String {
    let reason = Some(condition.reason())
        .filter(|reason| !reason.is_empty())
        .map(|reason| format!(" ({reason})"));
    let text = format!(
        "{}{} {}",
        condition.status,
        reason.unwrap_or_default(),
        condition.message()
    );
    text.trim_end().to_owned()
}

fn issuer(facts: &Facts) -> String {
    let reference = &facts.certificate.spec.issuer_ref;
    let name = format!("{} {}", reference.kind_or_default(), reference.name);
    match &facts.issuer {
        _ if !reference.is_ours() => format!("{name} of {}: an external issuer", reference.group_or_default()),
        None => format!("{name}: it does not exist"),
        Some(conditions) => match condition::get(conditions, condition::READY) {
            None => format!("{name}: not reconciled yet"),
            Some(ready) if ready.is_true() => format!("{name}: ready"),
            Some(ready) => format!("{name}: not ready: {}", ready.message()),
        },
    }
}

fn secret(facts: &Facts) -> String {
    let name = &facts.certificate.spec.secret_name;
    match &facts.secret {
        Ok(None) => format!("{name}: it does not exist"),
        Err(error) | Ok(Some(Err(error))) => format!("{name}: {error}"),
        Ok(Some(Ok(leaf))) => {
            let key = leaf
                .key_spec
                .map_or_else(|| "a key of another type".into(), |spec| spec.to_string());
            format!("{name}: {key}, issued by {}, serial {}", leaf.issuer, leaf.serial_hex())
        }
    }
}

fn request(request: &CertificateRequest) -> String {
    let status = request.status.clone().unwrap_or_default();
    let conditions = status
        .conditions
        .iter()
        .map(|condition| format!("{}={}", condition.type_, sentence(condition)));
    let conditions: Vec<String> = conditions.collect();
    let state = if conditions.is_empty() {
        "not reconciled yet".to_owned()
    } else {
        conditions.join("; ")
    };
    let revision = request.annotations().get(names::annotation::CERTIFICATE_REVISION);
    let revision = revision
        .map(|revision| format!(" (revision {revision})"))
        .unwrap_or_default();
    format!("{}{revision}: {state}", request.name_any())
}

fn order(order: &Order) -> String {
    let status = order.status.clone().unwrap_or_default();
    let state = status
        .state
        .map_or_else(|| "not placed yet".into(), |state| state.to_string());
    let reason = status
        .reason
        .filter(|reason| !reason.is_empty())
        .map(|reason| format!(": {reason}"));
    format!("{}: {state}{}", order.name_any(), reason.unwrap_or_default())
}

fn challenge(challenge: &Challenge) -> String {
    let status = challenge.status.clone().unwrap_or_default();
    let state = status
        .state
        .map_or_else(|| "not begun".into(), |state| state.to_string());
    let presented = if status.presented == Some(true) {
        ", presented"
    } else {
        ""
    };
    let reason = status
        .reason
        .filter(|reason| !reason.is_empty())
        .map(|reason| format!(": {reason}"));
    format!(
        "{} ({}): {state}{presented}{}",
        challenge.spec.dns_name,
        challenge.spec.type_,
        reason.unwrap_or_default()
    )
}

/// What happens next, and when.
fn next(now: Timestamp, facts: &Facts) -> String {
    let status = facts.certificate.status.clone().unwrap_or_default();
    let is_true = |type_: &str| condition::is_true(&status.conditions, type_);
    if facts.certificate.metadata.deletion_timestamp.is_some() {
        return "the Certificate is being deleted".into();
    }
    if is_true(condition::ISSUING) {
        if facts.issuer.is_none() {
            return "it waits for its issuer to be created".into();
        }
        let waiting = facts
            .challenges
            .iter()
            .find_map(|challenge| challenge.status.as_ref()?.reason.clone());
        return match waiting.filter(|reason| !reason.is_empty()) {
            Some(reason) => format!("the self-check of the challenge is retried: {reason}"),
            None => "it is being issued".into(),
        };
    }
    if let Some(last) = &status.last_failure_time
        && !is_true(condition::READY)
    {
        return format!(
            "the next attempt follows after a wait that doubles with each failure ({} so far, last {}); edit the Certificate, or run \
             `certlet renew`, to try at once",
            status.failed_issuance_attempts.unwrap_or(1),
            ago(now, last.0)
        );
    }
    match (&status.renewal_time, is_true(condition::READY)) {
        (Some(renewal), true) => format!("it is renewed {}", ago(now, renewal.0)),
        (None, true) => "nothing; automatic renewal is disabled".into(),
        (_, false) => "see the condition above".into(),
    }
}

/// A time relative to `now`: `in 3 days`, `2 hours ago`.
fn ago(now: Timestamp, at: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let (count, unit) = match seconds.unsigned_abs() {
        s if s < 120 => (s, "seconds"),
        s if s < 2 * 3600 => (s / 60, "minutes"),
        s if s < 2 * 86_400 => (s / 3600, "hours"),
        s => (s / 86_400, "days"),
    };
    if seconds >= 0 {
        format!("in {count} {unit}")
    } else {
        format!("{count} {unit} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(status: &serde_json::Value) -> Facts {
        let certificate = serde_json::json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "secretName": "web-tls", "dnsNames": ["a.example", "b.example"], "commonName": "a.example",
                      "issuerRef": { "name": "le" } },
            "status": status,
        });
        Facts {
            certificate: serde_json::from_value(certificate).unwrap(),
            requests: Vec::new(),
            orders: Vec::new(),
            challenges: Vec::new(),
            issuer: None,
            secret: Ok(None),
        }
    }

    #[test]
    fn a_missing_issuer_and_secret_are_named() {
        let now = Timestamp::UNIX_EPOCH;
        let issuing = serde_json::json!({ "conditions": [
            { "type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "Issuing certificate as Secret does not exist" },
            { "type": "Issuing", "status": "True", "reason": "DoesNotExist", "message": "Issuing certificate as Secret does not exist" }] });
        let text = Report::new(now, &facts(&issuing)).text(now);
        assert!(text.contains("Issuer:      Issuer le: it does not exist"), "{text}");
        assert!(text.contains("Names:       a.example, b.example"), "{text}");
        assert!(text.contains("Secret:      web-tls: it does not exist"), "{text}");
        assert!(
            text.contains("Next:        it waits for its issuer to be created"),
            "{text}"
        );
    }

    /// Whoever may write a status, or names of a spec, must not steer the terminal of whoever reads it.
    #[test]
    fn hidden_characters_of_every_string_are_escaped() {
        const EVIL: &str = "good\u{1b}[8m\u{9b}\u{202e}\u{200b}\nReady:       True";
        let now = Timestamp::UNIX_EPOCH;
        let object = |kind: &str, group: &str, spec: serde_json::Value, status: serde_json::Value| {
            serde_json::json!({ "apiVersion": format!("{group}/v1"), "kind": kind, "spec": spec, "status": status,
                "metadata": { "name": EVIL, "namespace": EVIL, "annotations": { "cert-manager.io/certificate-revision": EVIL } } })
        };
        let conditions = serde_json::json!([
            { "type": "Ready", "status": "False", "reason": EVIL, "message": EVIL },
            { "type": "Issuing", "status": "True", "reason": EVIL, "message": EVIL }]);
        let issuer = serde_json::json!({ "name": EVIL, "kind": EVIL, "group": EVIL });
        let names = serde_json::json!({ "secretName": EVIL, "dnsNames": [EVIL], "commonName": EVIL, "uris": [EVIL],
            "ipAddresses": [EVIL], "emailAddresses": [EVIL], "issuerRef": issuer });
        let status = serde_json::json!({ "conditions": conditions, "state": "pending", "reason": EVIL });
        let request = serde_json::json!({ "request": "", "issuerRef": issuer });
        let order = serde_json::json!({ "request": "", "issuerRef": issuer, "dnsNames": [EVIL] });
        let challenge = serde_json::json!({ "url": EVIL, "authorizationURL": EVIL, "dnsName": EVIL, "type": "HTTP-01", "token": EVIL,
            "key": EVIL, "solver": {}, "issuerRef": issuer });
        let acme = "acme.cert-manager.io";
        let facts = Facts {
            certificate: serde_json::from_value(object("Certificate", "cert-manager.io", names, status.clone()))
                .unwrap(),
            requests: vec![
                serde_json::from_value(object("CertificateRequest", "cert-manager.io", request, status.clone()))
                    .unwrap(),
            ],
            orders: vec![serde_json::from_value(object("Order", acme, order, status.clone())).unwrap()],
            challenges: vec![serde_json::from_value(object("Challenge", acme, challenge, status)).unwrap()],
            issuer: Some(serde_json::from_value(conditions).unwrap()),
            secret: Err(EVIL.to_owned()),
        };
        let text = Report::new(now, &facts).text(now);
        assert!(text.matches("\\u{1b}[8m").count() > 10, "{text}");
        assert!(!text.contains(|c| crate::text::is_hidden(c) && c != '\n'), "{text:?}");
        assert_eq!(
            text.lines().filter(|line| line.starts_with("Ready:")).count(),
            1,
            "{text}"
        );
    }

    #[test]
    fn a_ready_certificate_says_when_it_is_renewed() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let ready = serde_json::json!({ "renewalTime": "2026-01-31T00:00:00Z",
            "conditions": [{ "type": "Ready", "status": "True", "reason": "Ready" }] });
        assert_eq!(Report::new(now, &facts(&ready)).next, "it is renewed in 30 days");
    }
}
