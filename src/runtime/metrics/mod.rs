//! The page of metrics, under cert-manager's names, so that dashboards and alerts go on working (MET rows). What describes objects is
//! read from the index when it is asked for.

mod condition;
mod controllers;
mod objects;

use crate::{
    controller::Ports,
    process::metrics::{Page, sample, write_process},
    runtime::leader::Leadership,
};

/// The page that Prometheus reads, in pieces that are made as they are sent: with ten thousand Certificates all of it would be 20 MB at once.
/// Only the leader tells of objects, as in cert-manager: with two replicas each would count twice.
pub fn page(ports: &Ports, leadership: &Leadership) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let objects = leadership.leads().then(|| objects::all(&ports.index));
    let (ports, leadership) = (ports.clone(), leadership.clone());
    objects.into_iter().flatten().chain(std::iter::once_with(move || {
        let mut page = Page::default();
        controllers::write(&ports.settings, &ports.queues, &mut page);
        own(&ports, &mut page);
        leading(&leadership, &mut page);
        ports.metrics.requests.write(&mut page);
        write_process(ports.now().as_second(), &mut page);
        page.text
    }))
}

/// Who leads.
fn leading(leadership: &Leadership, page: &mut Page) {
    page.head("certlet_leader", "gauge", "Whether this process leads.");
    let leads = f64::from(u8::from(leadership.leads()));
    sample(&mut page.text, "certlet_leader", &[], leads);
    page.head(
        "certlet_standing_by",
        "gauge",
        "Whether this process takes no part in the election because another installation may be at work.",
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

/// What cert-manager does not count.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn own(ports: &Ports, page: &mut Page) {
    page.head("certlet_build_info", "gauge", "1, with the version of this program.");
    sample(
        &mut page.text,
        "certlet_build_info",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
    page.head(
        "certlet_http01_validations_total",
        "counter",
        "HTTP-01 requests answered with a key authorization, our own probes left out.",
    );
    let served = ports.responder.served();
    sample(
        &mut page.text,
        "certlet_http01_validations_total",
        &[],
        served.validations as f64,
    );
    page.head(
        "certlet_certificate_issuances_held_back_total",
        "counter",
        "Issuances that wait because the certificates before did not last: see the condition Unsettled.",
    );
    sample(
        &mut page.text,
        "certlet_certificate_issuances_held_back_total",
        &[],
        ports.metrics.held_back() as f64,
    );
    page.head(
        "certlet_events_dropped_total",
        "counter",
        "Events that were not written because too many were waiting.",
    );
    sample(
        &mut page.text,
        "certlet_events_dropped_total",
        &[],
        ports.events.dropped() as f64,
    );
}

#[cfg(test)]
mod tests;
