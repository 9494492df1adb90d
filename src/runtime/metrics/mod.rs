//! The metrics page, with cert-manager's names so that dashboards and alerts work unchanged (MET rows). Metrics of objects are
//! computed from the index for each request.

mod condition;
mod controllers;
mod issuers;
mod objects;
mod records;
mod serving;

use std::sync::Arc;

use crate::{
    controller::{Controllers, Ports},
    process::metrics::{Page, sample, write_process},
    runtime::{leader::Leadership, serving::Serving},
};

/// The page in pieces that are made while it is sent: with 10,000 Certificates the whole page would take 20 MB. Only the leader
/// reports metrics of objects, as in cert-manager, so that two replicas do not count twice.
pub(crate) fn page(
    all: &Arc<Controllers>,
    leadership: &Leadership,
    serving: Option<&Arc<Serving>>,
) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let objects = leadership.leads().then(|| objects::all(&all.ports.index));
    let (all, leadership, serving) = (Arc::clone(all), leadership.clone(), serving.cloned());
    objects.into_iter().flatten().chain(std::iter::once_with(move || {
        let ports = &all.ports;
        let mut page = Page::default();
        controllers::write(&ports.settings, &ports.queues, &mut page);
        own(ports, &mut page);
        leading(&leadership, &mut page);
        // what a reconcile at the end of a term has recorded is of no use
        let authorities = if leadership.leads() {
            all.issuers.expiries.all()
        } else {
            Vec::new()
        };
        issuers::authorities(&authorities, &mut page);
        slots(all.orders.slots(), ports.settings.max_concurrent_challenges, &mut page);
        let metrics = &ports.metrics;
        metrics.requests.write(&mut page);
        metrics.venafi.write(&mut page);
        metrics.rate_limits.write(ports.now(), &mut page);
        metrics.api_calls.write(&mut page);
        metrics.issuances.write(&mut page);
        metrics.findings.write(&mut page);
        if let Some(serving) = serving {
            serving::write(serving.state(), &mut page);
        }
        write_process(ports.now().as_second(), &mut page);
        page.text
    }))
}

/// Slots of challenges in flight.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn slots((in_use, waiting): (usize, usize), limit: usize, page: &mut Page) {
    for (name, help, value) in [
        (
            "certlet_challenge_slots_in_use",
            "Challenges in flight that hold a slot.",
            in_use,
        ),
        (
            "certlet_challenge_slots_waiting",
            "Challenges that wait for a slot.",
            waiting,
        ),
        (
            "certlet_challenge_slots_limit",
            "Maximum number of slots (--max-concurrent-challenges).",
            limit,
        ),
    ] {
        page.head(name, "gauge", help);
        sample(&mut page.text, name, &[], value as f64);
    }
}

/// Metrics of leadership.
fn leading(leadership: &Leadership, page: &mut Page) {
    page.head("certlet_leader", "gauge", "Whether this process is the leader.");
    let leads = f64::from(u8::from(leadership.leads()));
    sample(&mut page.text, "certlet_leader", &[], leads);
    page.head(
        "certlet_standing_by",
        "gauge",
        "Whether this process stands by because another installation may be active.",
    );
    let standing_by = leadership.standing_by();
    let for_other = standing_by.is_some_and(|standing_by| standing_by.is_for_other_installation());
    sample(
        &mut page.text,
        "certlet_standing_by",
        &[],
        f64::from(u8::from(for_other)),
    );
}

/// Metrics that cert-manager does not have.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn own(ports: &Ports, page: &mut Page) {
    page.head("certlet_build_info", "gauge", "1, with the version of this program.");
    sample(
        &mut page.text,
        "certlet_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    for (name, help, count) in [
        (
            "certlet_http01_validations_total",
            "HTTP-01 requests answered with a key authorization, without self-checks.",
            ports.responder.served().validations,
        ),
        (
            "certlet_certificate_issuances_held_back_total",
            "Issuances held back because earlier certificates did not last; see the condition Unsettled.",
            ports.metrics.held_back(),
        ),
        (
            "certlet_ca_injections_delayed_total",
            "Injections of CAs delayed because the CA of their source changes too often.",
            ports.metrics.delayed_injections(),
        ),
        (
            "certlet_events_dropped_total",
            "Events dropped because too many were waiting.",
            ports.events.dropped(),
        ),
    ] {
        page.head(name, "counter", help);
        sample(&mut page.text, name, &[], count as f64);
    }
}

#[cfg(test)]
mod tests;
