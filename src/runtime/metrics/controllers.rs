//! Counters of reconciles, with cert-manager's metric names (MET-08).
//!
//! cert-manager has several controllers for one kind, and calls each of them for a change. In certlet one reconcile does the work
//! of all of them, and counts once for each.

use crate::{
    controller::queues::{QueueVisitor, Queues},
    plan::settings::{Settings, controller as names},
    process::metrics::{Page, sample},
    work::{Counts, Key, Queue},
};

const CERTIFICATES: [&str; 6] = [
    names::TRIGGER,
    names::ISSUING,
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-readiness",
    names::REVISION_MANAGER,
];
const REQUESTS: [&str; 6] = [
    "certificaterequests-approver",
    "certificaterequests-issuer-acme",
    "certificaterequests-issuer-ca",
    "certificaterequests-issuer-selfsigned",
    "certificaterequests-issuer-vault",
    "certificaterequests-issuer-venafi",
];
const ORDERS: [&str; 2] = [names::ORDERS, "challenges"];
const SIGNING_REQUESTS: [&str; 5] = [
    "certificatesigningrequests-issuer-acme",
    "certificatesigningrequests-issuer-ca",
    "certificatesigningrequests-issuer-selfsigned",
    "certificatesigningrequests-issuer-vault",
    "certificatesigningrequests-issuer-venafi",
];

/// The counters of each enabled controller, by cert-manager's name.
fn counted(settings: &Settings, queues: &Queues) -> Vec<(&'static str, Counts)> {
    let whole_cluster = settings.namespace.is_none();
    let [issuers, cluster_issuers] = queues.issuers.counts();
    let mut all: Vec<(&[&'static str], Counts, bool)> = vec![
        (&CERTIFICATES, queues.certificates.total(), true),
        (&REQUESTS, queues.requests.total(), true),
        (&ORDERS, queues.orders.total(), true),
        (&[names::ISSUERS], issuers, true),
        (&[names::CLUSTER_ISSUERS], cluster_issuers, whole_cluster),
        (&[names::INGRESS_SHIM], queues.ingresses.total(), true),
        (
            &[names::GATEWAY_SHIM],
            queues.gateways.total(),
            settings.gateway.enabled,
        ),
        (
            &[names::LISTENER_SETS],
            queues.listener_sets.total(),
            settings.gateway.listener_sets,
        ),
    ];
    let with_signing_requests = whole_cluster && settings.gates.certificate_signing_requests;
    all.push((
        &SIGNING_REQUESTS,
        queues.signing_requests.total(),
        with_signing_requests,
    ));
    let on = all.into_iter().filter(|(_, _, on)| *on);
    on.flat_map(|(names, counts, _)| names.iter().map(move |name| (*name, counts)))
        .filter(|(name, _)| settings.controllers.enabled(name))
        .collect()
}

/// Writes the counters of all controllers and the queue lengths.
pub(super) fn write(settings: &Settings, queues: &Queues, page: &mut Page) {
    let counted = counted(settings, queues);
    family(
        ("certmanager_controller_sync_call_count", "counter", "controller"),
        "Number of reconciles, by controller.",
        counted.iter().map(|(name, counts)| (*name, counts.calls)),
        page,
    );
    family(
        ("certmanager_controller_sync_error_count", "counter", "controller"),
        "Number of failed reconciles, without conflicts, by controller.",
        counted.iter().map(|(name, counts)| (*name, counts.errors)),
        page,
    );
    // those that cert-manager does not have
    let own = [
        (queues.renewal_polls.name(), queues.renewal_polls.total()),
        (queues.copies.name(), queues.copies.total()),
    ];
    family(
        ("certlet_controller_sync_call_count", "counter", "controller"),
        "Number of reconciles of controllers that cert-manager does not have.",
        own.iter().map(|(name, counts)| (*name, counts.calls)),
        page,
    );
    family(
        ("certlet_controller_sync_error_count", "counter", "controller"),
        "Number of failed reconciles, without conflicts, of controllers that cert-manager does not have.",
        own.iter().map(|(name, counts)| (*name, counts.errors)),
        page,
    );
    let waiting = queues.waiting().into_iter();
    let waiting = waiting.map(|(queue, waiting)| (queue, u64::try_from(waiting).unwrap_or(u64::MAX)));
    family(
        ("certlet_queue_waiting", "gauge", "queue"),
        "Number of objects that wait for a worker.",
        waiting,
        page,
    );
    page.head(
        DURATION,
        "histogram",
        "Duration of reconciles, waits for servers included.",
    );
    queues.each(&mut Durations(page));
}

const DURATION: &str = "certlet_controller_sync_duration_seconds";

/// Writes the durations of each queue.
struct Durations<'a>(&'a mut Page);

impl QueueVisitor for Durations<'_> {
    fn visit<K: Key>(&mut self, queue: &Queue<K>) {
        let labels = [("controller", queue.name())];
        queue.durations().write(&mut self.0.text, DURATION, &labels);
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
fn family(
    (name, type_, label): (&str, &str, &str),
    help: &str,
    values: impl Iterator<Item = (&'static str, u64)>,
    page: &mut Page,
) {
    page.head(name, type_, help);
    for (of, value) in values {
        sample(&mut page.text, name, &[(label, of)], value as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::settings::Controllers;

    fn names_of(settings: &Settings) -> Vec<&'static str> {
        let counted = counted(settings, &Queues::default());
        counted.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn each_of_cert_manager_s_controllers_that_certlet_has_is_counted_under_its_name() {
        let mut settings = Settings::default();
        settings.gates.certificate_signing_requests = true;
        settings.gateway.enabled = true;
        settings.gateway.listener_sets = true;
        let mut found = names_of(&settings);
        found.sort_unstable();
        let known = include_str!("../../../tests/data/metrics/controllers.txt");
        let (ours, others): (Vec<&str>, Vec<&str>) = known
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once(' ').unwrap_or((line, "")))
            .fold((Vec::new(), Vec::new()), |(mut ours, mut others), (name, why)| {
                if why.is_empty() {
                    ours.push(name);
                } else {
                    others.push(name);
                }
                (ours, others)
            });
        assert_eq!(found, ours);
        assert!(others.iter().all(|other| !found.contains(other)));
    }

    #[test]
    fn what_is_off_is_not_counted() {
        let settings = Settings {
            namespace: Some("team-a".to_owned()),
            controllers: Controllers {
                disabled: vec!["ingress-shim".to_owned(), names::TRIGGER.to_owned()],
            },
            ..Settings::default()
        };
        let found = names_of(&settings);
        for off in [
            "ingress-shim",
            names::TRIGGER,
            names::CLUSTER_ISSUERS,
            SIGNING_REQUESTS[0],
        ] {
            assert!(!found.contains(&off), "{off}");
        }
        assert!(found.contains(&names::ISSUING));
    }
}
