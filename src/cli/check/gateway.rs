//! The kinds of the Gateway API, if the flags use them.

use super::finding::{Finding, names};
use crate::{
    cluster::{Error, reader::Reader},
    plan::{
        kinds::{GatewayKind, HttpRouteKind, ListenerSetKind},
        seen::Kind as _,
        settings::GatewaySettings,
    },
};

const CHECK: &str = "gateway";
const INSTALL: &str =
    "Install the CustomResourceDefinitions of the Gateway API; until then, certlet continues without these kinds";

/// The kinds that the API server serves.
///
/// # Errors
/// If the API server cannot be reached.
pub(super) async fn observe(reader: &Reader) -> Result<Vec<String>, Error> {
    reader.served(GatewayKind::GROUP).await
}

/// What the list of served kinds shows; nothing if the Gateway API is off.
pub(super) fn verdict(settings: &GatewaySettings, served: &[String]) -> Option<Finding> {
    let GatewaySettings {
        enabled,
        listener_sets,
        extra_protocols: _,
    } = settings;
    let needed = [
        (*enabled, GatewayKind::PLURAL, "--enable-gateway-api"),
        (*enabled, HttpRouteKind::PLURAL, "--enable-gateway-api"),
        (
            *listener_sets,
            ListenerSetKind::PLURAL,
            "--enable-gateway-api-listenerset",
        ),
    ];
    let needed: Vec<_> = needed.into_iter().filter(|(is_needed, ..)| *is_needed).collect();
    let is_absent = |(_, plural, _): &&(bool, &str, &str)| !served.iter().any(|served| served == plural);
    let absent: Vec<_> = needed.iter().filter(is_absent).collect();
    let group = GatewayKind::GROUP;
    if let Some((_, _, flag)) = absent.first() {
        let kinds: Vec<&str> = absent.iter().map(|(_, plural, _)| *plural).collect();
        let message = format!(
            "{flag} is set, and the API server serves no {} of {group}/v1",
            names(&kinds)
        );
        return Some(Finding::warning(CHECK, message, INSTALL));
    }
    let kinds: Vec<&str> = needed.iter().map(|(_, plural, _)| *plural).collect();
    (!kinds.is_empty()).then(|| Finding::ok(CHECK, format!("{} of {group}/v1 are served", names(&kinds))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Verdict;

    #[test]
    fn kinds_that_a_flag_uses_and_the_api_server_does_not_serve_are_named() {
        let settings = |enabled: bool, listener_sets: bool| GatewaySettings {
            enabled,
            listener_sets,
            ..GatewaySettings::default()
        };
        let served = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        let of = |settings, names: &[&str]| verdict(&settings, &served(names));
        assert_eq!(of(settings(false, false), &[]), None);
        let finding = of(settings(true, true), &[]).unwrap();
        assert_eq!(finding.verdict, Verdict::Warning);
        assert_eq!(
            finding.message,
            "--enable-gateway-api is set, and the API server serves no gateways, httproutes and listenersets of \
             gateway.networking.k8s.io/v1"
        );
        // Gateway API before 1.5
        let finding = of(settings(true, true), &["gateways", "gateways/status", "httproutes"]).unwrap();
        assert!(
            finding
                .message
                .starts_with("--enable-gateway-api-listenerset is set, and the API server serves no listenersets"),
            "{finding:?}"
        );
        let finding = of(settings(true, false), &["gateways", "httproutes"]).unwrap();
        assert_eq!(finding.verdict, Verdict::Ok);
    }
}
