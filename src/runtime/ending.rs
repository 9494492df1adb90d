//! The time between being told to end and the end (`plan::ending` decides).

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
        ending::{EndingSeen, LIMIT, Step, step},
        settings::SolverMode,
    },
};

/// How often the slices are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// How this process was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By the kubelet, or whatever else keeps processes (SIGTERM).
    Terminate,
    /// By a person at a terminal (SIGINT).
    Interrupt,
}

/// The signals that end this process. Where they cannot be listened to there are none.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        let both =
            signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
        Self(both.ok())
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Told {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! { _ = terminate.recv() => Told::Terminate, _ = interrupt.recv() => Told::Interrupt }
    }
}

/// Returns when the CA's questions are not led to `address`, which is ours, any more. Whoever calls this keeps watches and
/// responder going meanwhile.
pub(super) async fn until_nobody_asks(ports: &Ports, address: Option<IpAddr>) {
    // what has no address is named by no slice, and solver pods answer for themselves
    let direct = ports.settings.http01.mode == SolverMode::Direct;
    let Some(address) = address.filter(|_| direct) else {
        return;
    };
    let told = Instant::now();
    let mut unnamed_since = None;
    let mut said = false;
    loop {
        let in_flight = ports.responder.in_flight();
        if in_flight > 0 && may_be_named(ports, address).await {
            unnamed_since = None;
        } else {
            unnamed_since.get_or_insert_with(Instant::now);
        }
        let seen = EndingSeen {
            told: told.elapsed(),
            in_flight: ports.responder.in_flight(),
            unnamed: unnamed_since.map(|since| since.elapsed()),
        };
        match step(&seen) {
            Step::End => return,
            Step::GiveUp => {
                tracing::warn!(
                    in_flight = seen.in_flight,
                    "ending after {}s although challenges are still led here; what the CA asks now is answered by another \
                     replica, or by nobody",
                    LIMIT.as_secs()
                );
                return;
            }
            Step::Stay => {}
        }
        if !std::mem::replace(&mut said, true) {
            tracing::info!(
                in_flight,
                "going on answering challenges until none is led here any more"
            );
        }
        tokio::select! {
            () = ports.responder.emptied() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Whether a slice behind challenges names `address`. One that cannot be read may.
async fn may_be_named(ports: &Ports, address: IpAddr) -> bool {
    let labels = format!("{}=true", label::HTTP01_SOLVER);
    let namespace = ports.settings.namespace.as_deref();
    let listed = ports.reader.list::<EndpointSlice>(namespace, &labels);
    match tokio::time::timeout(LOOK_LIMIT, listed).await {
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
