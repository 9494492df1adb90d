//! Traefik with its provider for the Gateway API. It writes the status of Gateways and of routes.

use super::class_manifest;
use crate::support::acme_servers::Process;
use crate::support::bed::Bed;
use crate::support::names::plain_http;
use crate::support::wait::{IN_TIME, eventually};

/// A second Traefik, which serves only Gateways of the class `traefik`. It ends with the value.
pub(crate) struct TraefikGateway {
    _process: Process,
}

impl TraefikGateway {
    /// Where it serves the listeners of ports 80 and 443.
    pub(crate) const ADDRESS: &'static str = "10.99.0.11";
    /// The `GatewayClass` that it serves.
    pub(crate) const CLASS: &'static str = "traefik";
    /// How it signs the status of a route.
    pub(crate) const CONTROLLER: &'static str = "traefik.io/gateway-controller";

    /// Starts it and makes its `GatewayClass`. The definitions of the Gateway API have to be there, or it waits longer and longer for them.
    pub(crate) async fn start(bed: &Bed) -> Self {
        bed.apply("default", &class_manifest(Self::CLASS, Self::CONTROLLER))
            .await;
        let address = Self::ADDRESS;
        let web = format!("--entrypoints.web.address={address}:80");
        let secure = format!("--entrypoints.websecure.address={address}:443");
        let told = format!("--providers.kubernetesgateway.statusaddress.ip={address}");
        let command = [
            "traefik",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=INFO",
            "--providers.providersthrottleduration=100ms",
            "--providers.kubernetesgateway=true",
            "--providers.kubernetesgateway.throttleduration=100ms",
            &web,
            &secure,
            &told,
        ];
        let process = Process::start(bed, "traefik-gateway", &command, &[]);
        eventually("Traefik answers for Gateways", IN_TIME, async || {
            plain_http().get(format!("http://{address}/")).send().await.ok()
        })
        .await;
        Self { _process: process }
    }
}
