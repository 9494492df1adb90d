//! Shutdown: the time between a signal and the end of the process (`plan::ending` decides).

use std::{net::IpAddr, time::Duration};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use crate::{
    api::names::label,
    controller::Ports,
    plan::{
        ending::{EndingSeen, EndingStep, LIMIT, step},
        settings::SolverMode,
    },
};

/// Interval at which the EndpointSlices are read.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
/// Time limit of one read.
const LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// The signal that ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndSignal {
    /// SIGTERM, from the kubelet or another supervisor.
    Terminate,
    /// SIGINT, from a person at a terminal.
    Interrupt,
}

/// The signals that end this process. Empty if they cannot be registered.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Registers the signals.
    pub(super) fn listen() -> Self {
        let both =
            signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
        Self(both.ok())
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> EndSignal {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! { _ = terminate.recv() => EndSignal::Terminate, _ = interrupt.recv() => EndSignal::Interrupt }
    }
}

/// Returns when no EndpointSlice leads validation requests to `address`, the address of this process. The caller keeps watches
/// and responder running meanwhile.
pub(super) async fn until_no_requests(ports: &Ports, address: Option<IpAddr>) {
    // without an address there is no slice, and solver pods answer by themselves
    let direct = ports.settings.http01.mode == SolverMode::Direct;
    let Some(address) = address.filter(|_| direct) else {
        return;
    };
    let signalled = Instant::now();
    let mut unnamed_since = None;
    let mut reported = false;
    loop {
        let in_flight = ports.responder.in_flight();
        if in_flight > 0 && may_be_named(ports, address).await {
            unnamed_since = None;
        } else {
            unnamed_since.get_or_insert_with(Instant::now);
        }
        let seen = EndingSeen {
            signalled: signalled.elapsed(),
            in_flight: ports.responder.in_flight(),
            unnamed: unnamed_since.map(|since| since.elapsed()),
        };
        match step(&seen) {
            EndingStep::End => return,
            EndingStep::GiveUp => {
                tracing::warn!(
                    in_flight = seen.in_flight,
                    "ending after {}s although challenges are still led here; what the CA asks now is answered by another \
                     replica, or by nobody",
                    LIMIT.as_secs()
                );
                return;
            }
            EndingStep::Stay => {}
        }
        if !std::mem::replace(&mut reported, true) {
            tracing::info!(in_flight, "answering challenges until no EndpointSlice leads here");
        }
        tokio::select! {
            () = ports.responder.emptied() => {}
            () = tokio::time::sleep(LIST_INTERVAL) => {}
        }
    }
}

/// Whether an EndpointSlice for challenges contains `address`. One that cannot be decoded counts as if it does.
async fn may_be_named(ports: &Ports, address: IpAddr) -> bool {
    let labels = format!("{}=true", label::HTTP01_SOLVER);
    let namespace = ports.settings.namespace.as_deref();
    let listed = ports.reader.list::<EndpointSlice>(namespace, &labels);
    match tokio::time::timeout(LIST_TIMEOUT, listed).await {
        Ok(Ok(slices)) => names(&slices, address),
        Ok(Err(_)) | Err(_) => true,
    }
}

fn names(slices: &[EndpointSlice], address: IpAddr) -> bool {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let mut addresses = endpoints.flat_map(|endpoint| &endpoint.addresses);
    addresses.any(|one| one.parse() == Ok(address))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_found_in_any_slice_however_it_is_written() {
        let slices: Vec<EndpointSlice> = serde_json::from_value(json!([
            {"addressType": "IPv4", "metadata": {}, "endpoints": [{"addresses": ["10.0.0.2"]}]},
            {"addressType": "IPv6", "metadata": {}, "endpoints": [{"addresses": ["fd00:0:0::1"]}]},
        ]))
        .unwrap();
        for (address, expected) in [("10.0.0.2", true), ("10.0.0.20", false), ("fd00::1", true)] {
            assert_eq!(names(&slices, address.parse().unwrap()), expected, "{address}");
        }
        assert!(!names(&[], "10.0.0.2".parse().unwrap()));
    }
}
