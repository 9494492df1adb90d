//! The overview as text: what is not well, then what is renewed next.

use jiff::Timestamp;

use super::screen::{Cell, HEADING, QUIET, Screen, colour, styled};
use crate::plan::overview::{Entry, Overview, Urgency, relative};

/// The most renewals in the text. JSON has more.
const RENEWALS: usize = 10;

/// The text of an overview.
pub(super) fn text(overview: &Overview, screen: Screen) -> String {
    let Overview {
        time: now,
        problems,
        renewals,
        incomplete,
        ..
    } = overview;
    let mut text = verdict(overview) + "\n";
    for sentence in incomplete {
        text += &(styled(colour(Urgency::Failing), &format!("incomplete: {sentence}")) + "\n");
    }
    if !problems.is_empty() {
        let rows: Vec<Vec<Cell>> = problems.iter().map(row).collect();
        text = text + "\n" + &screen.table(&rows);
    }
    let flight = &overview.counts;
    if flight.orders + flight.challenges > 0 {
        let line = format!(
            "{} Orders and {} Challenges in flight",
            flight.orders, flight.challenges
        );
        text = text + "\n" + &styled(QUIET, &line) + "\n";
    }
    if !renewals.is_empty() {
        let heads = ["RENEWED", "CERTIFICATE", "ISSUER", "VALID UNTIL"];
        let mut rows = vec![heads.map(|head| Cell::new(head).styled(HEADING)).to_vec()];
        for renewal in renewals.iter().take(RENEWALS) {
            rows.push(vec![
                Cell::new(relative(*now, renewal.renewal_time)),
                Cell::new(format!("{}/{}", renewal.namespace, renewal.name)),
                Cell::new(renewal.issuer.to_string()),
                Cell::new(renewal.not_after.map(|time| time.to_string()).unwrap_or_default()),
            ]);
        }
        text = text + "\n" + &screen.table(&rows);
        let more = overview.counts.of(Urgency::Well).saturating_sub(RENEWALS);
        if more > 0 {
            text += &(styled(QUIET, &format!("and {more} more Certificates that are well")) + "\n");
        }
    }
    text
}

/// One line: whether all is well.
fn verdict(overview: &Overview) -> String {
    let place = match &overview.namespace {
        Some(namespace) => format!("namespace {namespace}"),
        None => "all namespaces".to_owned(),
    };
    let all = overview.counts.certificates;
    let worst = overview.problems.first().map_or(Urgency::Well, |entry| entry.urgency);
    let sentence = match (all, overview.problems.len()) {
        (0, 0) => format!("no Certificates in {place}"),
        (all, 0) => format!("all is well: {all} Certificates in {place}"),
        (all, bad) => format!("{bad} not well, {all} Certificates in {place}"),
    };
    styled(colour(worst).bold(), &sentence)
}

fn row(entry: &Entry) -> Vec<Cell> {
    vec![
        Cell::urgency(entry.urgency),
        Cell::new(object(entry)),
        Cell::new(&entry.sentence),
    ]
}

/// `Certificate shop/web`.
pub(super) fn object(entry: &Entry) -> String {
    match &*entry.namespace {
        "" => format!("{} {}", entry.kind, entry.name),
        namespace => format!("{} {namespace}/{}", entry.kind, entry.name),
    }
}

/// A time with its distance: `2026-01-31T00:00:00Z (in 30 days)`.
pub(super) fn both(now: Timestamp, time: Timestamp) -> String {
    format!("{time} ({})", relative(now, time))
}
