//! The flags of the Gateway API (FLG-22).

use clap::Args;

use super::go::{List, boolean};
use crate::plan::settings::{Gates, GatewaySettings};

/// `--enable-gateway-api` and what belongs to it.
#[derive(Args, Clone, Debug)]
pub(super) struct GatewayArgs {
    /// Issue certificates for annotated Gateways. The definitions of the Gateway API may be installed later
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Gateway API")]
    enable_gateway_api: bool,
    /// Issue certificates for annotated ListenerSets, too. Requires --feature-gates=ListenerSets=true
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Gateway API")]
    enable_gateway_api_listenerset: bool,
    /// Protocols of listeners that terminate TLS, in addition to HTTPS and TLS. Case-sensitive
    #[arg(long, value_name = "PROTOCOLS", help_heading = "Gateway API")]
    gateway_api_extra_protocols: Vec<List>,
}

impl GatewayArgs {
    /// The settings: a flag counts only with its gate (CTL-04, CTL-05).
    pub(super) fn settings(&self, gates: Gates) -> GatewaySettings {
        let enabled = self.enable_gateway_api && gates.gateway_api;
        GatewaySettings {
            enabled,
            listener_sets: enabled && self.enable_gateway_api_listenerset && gates.listener_sets,
            extra_protocols: List::all(&self.gateway_api_extra_protocols),
        }
    }

    /// Flags without an effect, because another flag or a gate is missing.
    pub(super) fn idle(&self, gates: Gates) -> Vec<&'static str> {
        let sets = self.enable_gateway_api_listenerset;
        let idle = [
            (
                self.enable_gateway_api && !gates.gateway_api,
                "--enable-gateway-api: the gate ExperimentalGatewayAPISupport is off",
            ),
            (
                sets && !self.enable_gateway_api,
                "--enable-gateway-api-listenerset: --enable-gateway-api is not set",
            ),
            (
                sets && !gates.listener_sets,
                "--enable-gateway-api-listenerset: the gate ListenerSets is off; set --feature-gates=ListenerSets=true",
            ),
        ];
        let idle = idle.into_iter().filter(|(is_idle, _)| *is_idle);
        idle.map(|(_, why)| why).collect()
    }
}
