//! Logs: text for people, JSON for log collectors (FLG-32).

mod json;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use self::json::Json;
use crate::text::{Escaped, Escaping};

/// The target of the line that describes this process at its start. It is logged at every level.
pub const START: &str = "certlet::start";

/// Libraries that report what certlet handles. All others log from `info` on, because below that they quote headers and bodies of requests.
const LIBRARIES: &str = "hickory_proto=error,hickory_resolver=error,hickory_net=error";

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line of text per entry.
    #[default]
    Text,
    /// One JSON object per line, with the keys of Kubernetes' components.
    Json,
}

/// Starts logging to standard error. `verbosity` is that of `--v`. The variable `RUST_LOG` takes precedence.
pub fn start(format: Format, verbosity: u8) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbosity)));
    let registry = tracing_subscriber::registry().with(filter);
    let escaping = match format {
        Format::Text => Escaping::Line,
        Format::Json => Escaping::Json,
    };
    // no colours: a line may quote a CA, a tenant or a server, and must not contain escape sequences or line breaks
    let layer = fmt::layer()
        .with_writer(move || Escaped::new(std::io::stderr(), escaping))
        .with_ansi(false);
    // the first subscriber stays if this is called again, as in tests
    let started = match format {
        Format::Text => registry.with(layer).try_init(),
        Format::Json => registry.with(layer.event_format(Json)).try_init(),
    };
    drop(started);
}

/// The filter for a level of `--v`; the levels are those of cert-manager.
///
/// | level | adds |
/// |---|---|
/// | 0 | the start, warnings, errors |
/// | 1 | leadership, issuers and their accounts, what is missing in the cluster |
/// | 2 | issued and renewed certificates, and all else that an administrator may act on |
/// | 3 | the steps: Events, effects on Certificates and Orders |
/// | 4 | requests to ACME servers, retries, decisions |
/// | 5 | every reconcile and every request to the API server, with its duration |
fn directives(verbosity: u8) -> String {
    let own = match verbosity {
        0 => format!("warn,{START}=info"),
        1 => format!("warn,{START}=info,certlet::runtime=info,certlet::cluster=info,certlet::controller::issuer=info"),
        2 => "info".to_owned(),
        3 => "info,certlet::controller=debug,certlet::cluster::events=debug".to_owned(),
        4 => "info,certlet=debug".to_owned(),
        _ => "info,certlet=trace".to_owned(),
    };
    format!("{own},{LIBRARIES}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Escaped<Self>;

        fn make_writer(&'a self) -> Self::Writer {
            Escaped::new(self.clone(), Escaping::Json)
        }
    }

    fn logged(verbosity: u8, log: impl FnOnce()) -> Vec<serde_json::Value> {
        let written = Written::default();
        let layer = fmt::layer()
            .with_writer(written.clone())
            .with_ansi(false)
            .event_format(Json);
        let filter = EnvFilter::new(directives(verbosity));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(layer), log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_level_of_v_adds_lines() {
        let lines = || {
            tracing::info!(target: "certlet::start", "start");
            tracing::info!(target: "certlet::runtime::leader", "leading");
            tracing::info!(target: "certlet::controller::certificate::outcome", "issued");
            tracing::debug!(target: "certlet::cluster::events", "event");
            tracing::debug!(target: "certlet::net::client", "HTTP request");
            tracing::trace!(target: "certlet::work::queue", "reconciled");
            tracing::trace!(target: "hyper::client", "never");
            tracing::warn!(target: "certlet::work::queue", "failed");
        };
        let counts: Vec<usize> = (0..=6).map(|verbosity| logged(verbosity, lines).len()).collect();
        assert_eq!(counts, [2, 3, 4, 5, 6, 7, 7]);
    }

    #[test]
    fn a_json_line_has_the_keys_of_kubernetes_components() {
        let lines = logged(2, || {
            let (object, error) = ("shop/web", std::io::Error::other("it\nis \u{1b}gone"));
            tracing::info!(target: "certlet::controller::issuer", certificate = %object, attempts = 2, again = true, "issued");
            tracing::warn!(target: "certlet::work", %error, "failed");
        });
        let [issued, failed] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert!(issued["ts"].as_f64().unwrap() > 1.7e12, "{issued}");
        assert_eq!(issued["level"], "info");
        assert_eq!(issued["v"], 2);
        assert_eq!(issued["logger"], "certlet.controller.issuer");
        assert_eq!(issued["msg"], "issued");
        assert_eq!(issued["certificate"], "shop/web");
        assert_eq!(issued["attempts"], 2);
        assert_eq!(issued["again"], true);
        assert_eq!(failed["level"], "warn");
        assert_eq!(failed["err"], "it\nis \u{1b}gone");
        assert!(failed.get("v").is_none() && failed.get("error").is_none(), "{failed}");
    }
}
