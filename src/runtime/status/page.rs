//! The page: a pure function of an overview. HTML and CSS, no script. maud escapes every text that is put into it; what a terminal or
//! a reader could mistake is sanitised at the end, in the whole page.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::timeline::{drawing, plural};
use crate::{
    plan::overview::{ChallengeEntry, Entry, IssuerEntry, OrderEntry, Overview, Renewal, Urgency, relative},
    text,
};

/// The style sheet, which is part of the page.
const STYLE: &str = include_str!("style.css");
/// The most rows of a list. Further ones are counted.
const MOST_ROWS: usize = 500;
/// Rows that are visible before the reader opens the rest.
const FIRST_ROWS: usize = 10;
/// Length limit of a sentence, in characters.
const SENTENCE: usize = 1000;

/// What this process knows beside the objects.
#[derive(Clone, Debug)]
pub(crate) struct ControllerState {
    /// The pod that answers.
    pub pod: Option<String>,
    /// Whether it leads.
    pub role: Role,
}

/// The role of a replica.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// It leads, with this many challenge slots.
    Leader {
        /// Slots in use.
        slots_used: usize,
        /// Challenges that wait for one.
        slots_waiting: usize,
        /// All slots.
        slots: usize,
    },
    /// It stands by; the sentence says for whom.
    Standby(String),
}

/// What is on the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    /// The overview.
    pub overview: &'a Overview,
    /// The controller that serves the page; `None` for a file.
    pub controller: Option<&'a ControllerState>,
}

/// The content security policy: nothing but the style sheet of the page. A `<meta>` element may not name frames.
pub(super) fn policy(in_header: bool) -> &'static str {
    static POLICIES: LazyLock<[String; 2]> = LazyLock::new(|| {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
        let meta = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
        [format!("{meta}; frame-ancestors 'none'"), meta]
    });
    let [header, meta] = &*POLICIES;
    if in_header { header } else { meta }
}

impl Page<'_> {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let Overview { time: now, .. } = *self.overview;
        let overview = self.overview;
        let title = title(overview);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy(false));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (title) " · certlet" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.head())
                    main {
                        h1 { (title) }
                        p { (subtitle(overview)) }
                        (counts(overview))
                        @for sentence in &overview.incomplete {
                            p class="notice bad" { "Incomplete: " (short(sentence)) }
                        }
                        (problems(now, &overview.problems))
                        (renewals(now, overview))
                        (in_flight(now, overview, self.controller))
                        (issuers(now, &overview.issuers))
                    }
                    footer { "certlet " (env!("CARGO_PKG_VERSION")) ". Read-only; times are UTC." }
                }
            }
        };
        text::lines(&page.into_string()).into_owned()
    }

    fn head(&self) -> Markup {
        let scope = self.overview.namespace.as_deref();
        html! {
            header {
                span { strong { "certlet" } " " (scope.map_or_else(|| "all namespaces".to_owned(), |name| format!("namespace {name}"))) }
                span {
                    @if let Some(ControllerState { pod, role }) = self.controller {
                        @let role = if matches!(role, Role::Leader { .. }) { "leader" } else { "standby" };
                        @if let Some(pod) = pod { (pod) ", " }
                        (role) " · "
                    }
                    "as of " (absolute(self.overview.time))
                }
            }
            @if let Some(ControllerState { role: Role::Standby(sentence), .. }) = self.controller {
                p class="notice" role="status" { "This replica is " (short(sentence)) ". It shows what it watches; challenge slots are known to the leader." }
            }
        }
    }
}

/// The state in one sentence: what needs attention, or that all is well.
fn title(overview: &Overview) -> String {
    let (all, problems) = (overview.counts.certificates, overview.problems.len());
    if problems == 0 {
        return match all {
            0 => "No certificates yet".to_owned(),
            1 => "The certificate is well".to_owned(),
            all => format!("All {all} certificates are well"),
        };
    }
    let wait = overview
        .problems
        .iter()
        .filter(|entry| entry.urgency == Urgency::Waiting)
        .count();
    match problems - wait {
        0 => format!("{wait} in progress, nothing else needs attention"),
        1 => "1 needs attention".to_owned(),
        bad => format!("{bad} need attention"),
    }
}

/// How many objects there are, and what renews next.
fn subtitle(overview: &Overview) -> String {
    let counts = &overview.counts;
    let objects = format!(
        "{} certificate{}, {} issuer{}",
        counts.certificates,
        plural(counts.certificates),
        counts.issuers,
        plural(counts.issuers)
    );
    match overview.renewals.first() {
        Some(next) => format!(
            "{objects}; the next renewal is {}",
            relative(overview.time, next.renewal_time)
        ),
        None => objects,
    }
}

fn counts(overview: &Overview) -> Markup {
    html! {
        ul class="counts" aria-label="Certificates by urgency" {
            @for urgency in Urgency::ALL {
                @let count = overview.counts.of(urgency);
                li class=[(count == 0).then_some("none")] {
                    b class=[(count > 0).then_some(urgency.word())] { (count) }
                    (urgency.word())
                }
            }
        }
    }
}

fn problems(now: Timestamp, problems: &[Entry]) -> Markup {
    if problems.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="attention" {
            h2 id="attention" { "Not well " small { (problems.len()) ", most urgent first" } }
            ol class="list" {
                @for entry in problems.iter().take(MOST_ROWS) { (problem(now, entry)) }
            }
            (omitted(problems.len()))
        }
    }
}

fn problem(now: Timestamp, entry: &Entry) -> Markup {
    html! {
        li {
            span class={ "badge " (entry.urgency.word()) } { (entry.urgency.word()) }
            div class="what" { (object(&entry.namespace, &entry.name)) " " span class="kind" { (entry.kind) } }
            p { (short(&entry.sentence)) }
            div class="more" {
                @if let Some(issuer) = &entry.issuer { span { "from " (issuer) } }
                @if let Some(time) = entry.not_after { span { "valid until " (absolute(time)) } }
                @if let Some(time) = entry.next_attempt_time { span { "next attempt " (both(now, time)) } }
                @if let Some(time) = entry.since { span { "since " (absolute(time)) } }
            }
        }
    }
}

fn renewals(now: Timestamp, overview: &Overview) -> Markup {
    let row = |renewal: &Renewal| {
        html! {
            tr {
                td { (object(&renewal.namespace, &renewal.name)) }
                td data-label="Renewed" { (both(now, renewal.renewal_time)) }
                td data-label="Valid until" { @if let Some(time) = renewal.not_after { (absolute(time)) } }
                td data-label="Issuer" { (renewal.issuer) }
            }
        }
    };
    let head = html! { thead { tr { th scope="col" { "Certificate" } th scope="col" { "Renewed" } th scope="col" { "Valid until" } th scope="col" { "Issuer" } } } };
    let first = overview.renewals.iter().take(FIRST_ROWS);
    let rest: Vec<&Renewal> = overview.renewals.iter().skip(FIRST_ROWS).collect();
    html! {
        section aria-labelledby="renewals" {
            h2 id="renewals" { "Renewals ahead" }
            (drawing(&overview.schedule))
            @if !overview.renewals.is_empty() {
                div class="table" {
                    table { (head) tbody { @for renewal in first { (row(renewal)) } } }
                    @if !rest.is_empty() {
                        details {
                            summary { "The " (rest.len()) " after these" }
                            table { (head) tbody { @for renewal in rest { (row(renewal)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn in_flight(now: Timestamp, overview: &Overview, controller: Option<&ControllerState>) -> Markup {
    let Overview { orders, challenges, .. } = overview;
    let slots = match controller {
        Some(ControllerState {
            role:
                Role::Leader {
                    slots_used,
                    slots_waiting,
                    slots,
                },
            ..
        }) => Some(format!(
            "{slots_used} of {slots} challenge slots in use, {slots_waiting} waiting"
        )),
        Some(ControllerState {
            role: Role::Standby(_), ..
        })
        | None => None,
    };
    html! {
        section aria-labelledby="flight" {
            h2 id="flight" {
                "In flight "
                small { (orders.len()) " order" (plural(orders.len())) ", " (challenges.len()) " challenge" (plural(challenges.len()))
                    @if let Some(slots) = slots { "; " (slots) } }
            }
            @if orders.is_empty() && challenges.is_empty() {
                p class="quiet" { "No certificate is being ordered at an ACME server." }
            } @else {
                ul class="list" {
                    @for one in challenges.iter().take(MOST_ROWS) { (challenge(now, one)) }
                    @for one in orders.iter().take(MOST_ROWS) { (order(now, one)) }
                }
                (omitted(orders.len().max(challenges.len())))
            }
        }
    }
}

fn challenge(now: Timestamp, one: &ChallengeEntry) -> Markup {
    let state = match (&one.state, one.presented) {
        (_, true) => "presented",
        (Some(_), false) => "pending",
        (None, false) => "not begun",
    };
    html! {
        li {
            span class="badge waiting" { (one.type_) }
            div class="what" { (one.dns_name) " " span class="kind" { "Challenge, " (state) } }
            p { (short(&one.sentence)) }
            div class="more" {
                span { (object(&one.namespace, one.order.as_deref().unwrap_or(&one.name))) }
                span { "from " (one.issuer) }
                span { "since " (both(now, one.since)) }
            }
        }
    }
}

fn order(now: Timestamp, one: &OrderEntry) -> Markup {
    html! {
        li {
            span class="badge waiting" { (one.state.as_deref().unwrap_or("not placed")) }
            div class="what" { (object(&one.namespace, one.certificate.as_deref().unwrap_or(&one.name))) " " span class="kind" { "Order" } }
            p { (short(&one.sentence)) }
            div class="more" {
                span { (short(&one.names.join(", "))) }
                span { "from " (one.issuer) }
                span { "since " (both(now, one.since)) }
                @if let Some(time) = one.next_attempt_time { span { "next attempt " (both(now, time)) } }
            }
        }
    }
}

fn issuers(now: Timestamp, issuers: &[IssuerEntry]) -> Markup {
    html! {
        section aria-labelledby="issuers" {
            h2 id="issuers" { "Issuers and accounts " small { (issuers.len()) } }
            @if issuers.is_empty() {
                p class="quiet" { "There is no issuer." }
            } @else {
                div class="table" {
                    table {
                        thead { tr {
                            th scope="col" { "Issuer" } th scope="col" { "State" } th scope="col" { "Server and account" }
                            th scope="col" class="number" { "Certificates" } th scope="col" class="number" { "Orders" }
                        } }
                        tbody { @for one in issuers.iter().take(MOST_ROWS) { (issuer(now, one)) } }
                    }
                }
                (omitted(issuers.len()))
            }
        }
    }
}

fn issuer(now: Timestamp, one: &IssuerEntry) -> Markup {
    let (class, word) = match (one.ready, one.limited_until) {
        (false, _) => ("failing", "not ready"),
        (true, Some(_)) => ("expiring", "limited"),
        (true, None) => ("well", "ready"),
    };
    html! {
        tr {
            td { (object(&one.namespace, &one.name)) span class="quiet" { (one.kind) @if let Some(type_) = one.type_ { ", " (type_) } } }
            td {
                span class={ "badge " (class) } { (word) }
                @if !one.ready { span class="quiet" { (short(&one.sentence)) } }
                @for warning in &one.warnings { span class="quiet" { (short(warning)) } }
                @if let Some(until) = one.limited_until {
                    span class="quiet" { "until " (both(now, until)) @if let Some(limit) = &one.limit { ": " (short(limit)) } }
                }
            }
            td class="server" {
                @if let Some(server) = &one.server { (short(server)) }
                @if let Some(account) = &one.account { span class="quiet" { (short(account)) } }
            }
            td class="number" data-label="Certificates" {
                (one.certificates)
                @if one.certificates_not_well > 0 { span class="quiet" { (one.certificates_not_well) " not well" } }
            }
            td class="number" data-label="Orders in flight" { (one.orders) }
        }
    }
}

/// How many of `count` rows a list does not have.
fn omitted(count: usize) -> Markup {
    let more = count.saturating_sub(MOST_ROWS);
    html! { @if more > 0 { p class="quiet" { "and " (more) " more: certlet status -A lists all" } } }
}

fn object(namespace: &str, name: &str) -> Markup {
    html! { @if !namespace.is_empty() { span class="kind" { (namespace) "/" } } (name) }
}

fn short(sentence: &str) -> String {
    text::short_line(sentence, SENTENCE)
}

/// A time as people read it, with the exact one for programs.
fn absolute(time: Timestamp) -> Markup {
    html! { time class="time" datetime=(time) { (time.strftime("%Y-%m-%d %H:%M")) } }
}

fn both(now: Timestamp, time: Timestamp) -> Markup {
    html! { (relative(now, time)) ", " (absolute(time)) }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
