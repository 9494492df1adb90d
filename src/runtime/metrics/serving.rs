//! Metrics of the TLS of the metrics server (FLG-27). They are only there with TLS.

use crate::{
    process::metrics::{Page, sample},
    runtime::serving::ServingState,
};

/// Writes the metrics.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
pub(super) fn write(state: ServingState, page: &mut Page) {
    let ServingState {
        expires,
        failures,
        failed_handshakes,
    } = state;
    let expires = expires.map_or(0.0, |expires| expires.as_second() as f64);
    for (name, kind, help, value) in [
        (
            "certlet_metrics_certificate_expiration_timestamp_seconds",
            "gauge",
            "When the certificate of the metrics server expires.",
            expires,
        ),
        (
            "certlet_metrics_certificate_failures_total",
            "counter",
            "Failed attempts to read or to sign a certificate for the metrics server.",
            failures as f64,
        ),
        (
            "certlet_metrics_failed_handshakes_total",
            "counter",
            "Connections to the metrics server that began no TLS session.",
            failed_handshakes as f64,
        ),
    ] {
        page.head(name, kind, help);
        sample(&mut page.text, name, &[], value);
    }
}
