//! Log lines as JSON, with the keys that Kubernetes' components and cert-manager use: `ts`, `level`, `logger`, `msg`, `v`, `err`.

use std::fmt;

use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::process::clock;

/// Formats events. Their fields follow the fixed keys.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, verbosity) = match *event.metadata().level() {
            Level::ERROR => ("error", None),
            Level::WARN => ("warn", None),
            Level::INFO => ("info", Some(2)),
            Level::DEBUG => ("debug", Some(4)),
            Level::TRACE => ("trace", Some(5)),
        };
        let micros = clock::now().as_microsecond();
        let logger = event.metadata().target().replace("::", ".");
        // milliseconds with a fraction, as in k8s.io/component-base
        write!(writer, "{{\"ts\":{}.{:03}", micros / 1_000, micros % 1_000)?;
        write!(writer, ",\"level\":\"{level}\",\"logger\":{}", Value::from(logger))?;
        write!(writer, ",\"msg\":{}", Value::from(fields.message))?;
        if let Some(verbosity) = verbosity {
            write!(writer, ",\"v\":{verbosity}")?;
        }
        for (name, value) in fields.others {
            write!(writer, ",{}:{value}", Value::from(name))?;
        }
        writer.write_str("}\n")
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: impl Into<Value>) {
        let name = match field.name() {
            "error" => "err",
            name => name,
        };
        self.others.push((name, value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.push(field, text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.push(field, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, value.to_string());
    }
}
