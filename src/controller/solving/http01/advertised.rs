//! The addresses at which the ingress controller reaches our replicas.

use std::{net::IpAddr, time::Duration};

use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::{sync::Mutex, time::Instant};

use crate::api::names::ACME_SERVICE;
use crate::controller::{ControllerError, Ports};

/// How long the addresses are cached. Replicas start and end while challenges are in flight.
const BELIEVED: Duration = Duration::from_secs(1);

/// The error without any source of addresses.
const UNKNOWN: &str = "certlet does not know under which address the ingress reaches it: give it with \
                       --acme-http01-advertise-address, or in the variable POD_IP, or create the Service certlet-acme in \
                       its namespace";

/// The cache of addresses.
#[derive(Debug, Default)]
pub(super) struct Advertised {
    known: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

impl Advertised {
    /// The addresses: those of the flag, else the ready endpoints of our own Service, else our own.
    ///
    /// # Errors
    /// If there are none, or if our Service cannot be read and there is no other source.
    pub(super) async fn addresses(&self, context: &Ports) -> Result<Vec<IpAddr>, ControllerError> {
        let given = &context.settings.http01.advertise;
        if !given.is_empty() {
            return Ok(given.clone());
        }
        // the lock is held during the request, so that a hundred Orders cause one request
        let mut known = self.known.lock().await;
        if let Some((since, addresses)) = &*known
            && since.elapsed() < BELIEVED
        {
            return Ok(addresses.clone());
        }
        let addresses = ask(context).await?;
        *known = Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

async fn ask(context: &Ports) -> Result<Vec<IpAddr>, ControllerError> {
    let pod = &context.settings.pod;
    let own = || pod.address.map(|address| vec![address]);
    let Some(namespace) = &pod.namespace else {
        return own().ok_or_else(|| ControllerError::Failed(UNKNOWN.to_owned()));
    };
    let labels = format!("kubernetes.io/service-name={ACME_SERVICE}");
    let slices = context.reader.list::<EndpointSlice>(Some(namespace), &labels).await;
    match slices {
        Ok(slices) => {
            let ready = ready_addresses(&slices);
            let found = if ready.is_empty() { own() } else { Some(ready) };
            found.ok_or_else(|| ControllerError::Failed(UNKNOWN.to_owned()))
        }
        Err(error) => own().ok_or(ControllerError::Cluster(error)),
    }
}

fn ready_addresses(slices: &[EndpointSlice]) -> Vec<IpAddr> {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    let ready = endpoints.filter(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        // "A nil value should be interpreted as true"
        conditions.and_then(|conditions| conditions.ready) != Some(false)
    });
    let mut addresses: Vec<IpAddr> = ready
        .flat_map(|endpoint| endpoint.addresses.iter().filter_map(|address| address.parse().ok()))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_ready_endpoints_are_advertised_each_once() {
        let slices: Vec<EndpointSlice> = serde_json::from_value(json!([
            {"addressType": "IPv4", "metadata": {}, "endpoints": [
                {"addresses": ["10.0.0.2"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.1"], "conditions": {}},
            ]},
            {"addressType": "IPv6", "metadata": {}, "endpoints": [{"addresses": ["fd00::1"]}, {"addresses": ["fd00::1"]}]},
        ]))
        .unwrap();
        let found: Vec<String> = ready_addresses(&slices).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["10.0.0.1", "10.0.0.2", "fd00::1"]);
    }
}
