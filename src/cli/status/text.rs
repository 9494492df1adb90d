//! A report as text.

use super::{
    overview::{both, object},
    report::{Owned, Report},
    screen::{Cell, HEADING, QUIET, Screen, colour, styled},
};
use crate::{
    api::Condition,
    plan::overview::{Entry, IssuerEntry, Urgency, relative},
};

/// The most Certificates of an issuer in the text. JSON has all.
const CERTIFICATES: usize = 20;

/// The text of a report.
pub(super) fn text(report: &Report, screen: Screen) -> String {
    let style = colour(report.entry.urgency).bold();
    let mut text = styled(style, &format!("{}: {}", object(&report.entry), report.entry.sentence)) + "\n\n";
    // sentences are whole here: a terminal wraps them
    let whole = Screen::default();
    text += &whole.table(&facts(report));
    for sentence in &report.incomplete {
        text += &(styled(colour(Urgency::Failing), &format!("incomplete: {sentence}")) + "\n");
    }
    if !report.owned.is_empty() {
        text += &heading("Owned");
        text += &whole.table(&report.owned.iter().map(|one| owned(report, one)).collect::<Vec<_>>());
    }
    if !report.certificates.is_empty() {
        text += &heading("Certificates");
        let first = report.certificates.iter().take(CERTIFICATES);
        text += &screen.table(&first.map(certificate).collect::<Vec<_>>());
        let more = report.certificates.len().saturating_sub(CERTIFICATES);
        if more > 0 {
            text += &(styled(QUIET, &format!("and {more} more")) + "\n");
        }
    }
    if !report.events.is_empty() {
        text += &heading("Events");
        let rows = report.events.iter().map(|event| {
            let style = if event.type_ == "Warning" {
                colour(Urgency::Failing)
            } else {
                QUIET
            };
            let times = if event.count > 1 {
                format!(" (x{})", event.count)
            } else {
                String::new()
            };
            vec![
                Cell::new(relative(report.time, event.time)),
                Cell::new(&event.type_).styled(style),
                Cell::new(format!("{}{times}", event.reason)),
                Cell::new(format!("{} {}", event.kind, event.name)),
                Cell::new(&event.message),
            ]
        });
        text += &screen.table(&rows.collect::<Vec<_>>());
    }
    text
}

fn heading(words: &str) -> String {
    format!("\n{}\n", styled(HEADING, words))
}

fn certificate(entry: &Entry) -> Vec<Cell> {
    let name = format!("{}/{}", entry.namespace, entry.name);
    vec![
        Cell::urgency(entry.urgency),
        Cell::new(name),
        Cell::new(&entry.sentence),
    ]
}

fn owned(report: &Report, one: &Owned) -> Vec<Cell> {
    let name = one.dns_name.as_ref().unwrap_or(&one.name);
    vec![
        Cell::new(one.kind),
        Cell::new(name),
        Cell::new(&one.state),
        Cell::new(relative(report.time, one.since)).styled(QUIET),
        Cell::new(&one.sentence),
    ]
}

/// The rows of labels and values.
fn facts(report: &Report) -> Vec<Vec<Cell>> {
    let Report { time: now, entry, .. } = report;
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |label: &str, value: String| {
        if !value.is_empty() {
            rows.push((format!("{label}:"), value));
        }
    };
    for condition in &report.conditions {
        row(&condition.type_, sentence(condition));
    }
    if let Some(details) = &report.certificate {
        row("Names", details.names.join(", "));
    }
    match (&report.issuer_status, &entry.issuer) {
        (Some(issuer), _) => row("Issuer", issuer_sentence(issuer)),
        (None, Some(issuer)) if issuer.group != crate::api::GROUP => {
            row("Issuer", format!("{issuer} of {}: an external issuer", issuer.group));
        }
        (None, Some(issuer)) => row("Issuer", format!("{issuer}: it does not exist, or cannot be read")),
        (None, None) => {}
    }
    if let Some(issuer) = &report.issuer_status {
        row("Server", issuer.server.clone().unwrap_or_default());
        row("Account", issuer.account.clone().unwrap_or_default());
        if let (Some(until), Some(limit)) = (issuer.limited_until, &issuer.limit) {
            row("Limit", format!("until {}: {limit}", both(*now, until)));
        }
    }
    if let Some(details) = &report.certificate {
        let secret = &details.secret;
        let named = secret.issuer.iter().filter(|issuer| !issuer.is_empty());
        let leaf = named.map(|issuer| format!("issued by {issuer}"));
        let serial = secret.serial.iter().map(|serial| format!("serial {serial}"));
        let parts = secret
            .error
            .iter()
            .chain(&secret.key)
            .cloned()
            .chain(leaf)
            .chain(serial);
        row(
            "Secret",
            format!("{}: {}", secret.name, parts.collect::<Vec<_>>().join(", ")),
        );
        for (label, time) in [
            ("Valid from", details.not_before),
            ("Valid until", entry.not_after),
            ("Renewal", entry.renewal_time),
        ] {
            row(label, time.map(|time| both(*now, time)).unwrap_or_default());
        }
        row(
            "Revision",
            details
                .revision
                .map(|revision| revision.to_string())
                .unwrap_or_default(),
        );
        if let Some(attempts) = entry.failed_issuance_attempts {
            let last = details
                .last_failure_time
                .map(|last| format!(", last {}", both(*now, last)));
            row("Failures", format!("{attempts} in a row{}", last.unwrap_or_default()));
        }
    }
    row("Next", report.next.sentence.clone());
    let cells = rows
        .into_iter()
        .map(|(label, value)| vec![Cell::new(label).styled(QUIET), Cell::new(value)]);
    cells.collect()
}

fn issuer_sentence(issuer: &IssuerEntry) -> String {
    let type_ = issuer.type_.map(|type_| format!(" ({type_})")).unwrap_or_default();
    let state = if issuer.ready {
        "ready".to_owned()
    } else {
        format!("not ready: {}", issuer.sentence)
    };
    format!("{} {}{type_}: {state}", issuer.kind, issuer.name)
}

fn sentence(condition: &Condition) -> String {
    let reason = Some(condition.reason()).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let text = format!("{}{reason} {}", condition.status, condition.message());
    text.trim_end().to_owned()
}
