//! Logs: text for people, JSON for log collectors (FLG-32).

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::text::{Escaped, Escaping};

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line of text per entry.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error. `verbosity` is klog's: below 4 is `info`, 4 is `debug`, 5 and more is `trace`.
/// The variable `RUST_LOG` takes precedence.
pub fn start(format: Format, verbosity: u8) {
    let level = match verbosity {
        0..=3 => "info",
        4 => "debug",
        _ => "trace",
    };
    let quiet = "hyper=info,hyper_util=info,h2=info,rustls=info,reqwest=info,tower=info,kube=info,hickory_proto=error,hickory_resolver=error";
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},{quiet}")));
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
        Format::Text => registry.with(layer.with_target(false)).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    drop(started);
}
