//! `--config`: cert-manager's `ControllerConfiguration` (FLG-01) and `CAInjectorConfiguration` (CAI-06). Each field becomes the flag with the same meaning. Flags of
//! the command line take precedence.

mod fields;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::api::GoDuration;

#[cfg(test)]
pub(super) use fields::FIELDS;
pub(in crate::cli) use fields::{CONTROLLER, INJECTOR, Schema};
use fields::{DURATIONS, MERGED};

/// The largest accepted file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It does not exist, is too large, or is not readable.
    #[error("--config: cannot read {file}: {why}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// It is not YAML.
    #[error("--config: {file} is not YAML: {why}")]
    Yaml {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// It has another `apiVersion` or `kind`.
    #[error("--config: {file} must have `apiVersion: {api_version}` and `kind: {kind}`, but has {found}")]
    Kind {
        /// The file.
        file: String,
        /// The required `apiVersion`.
        api_version: &'static str,
        /// The required `kind`.
        kind: &'static str,
        /// The values found.
        found: String,
    },
    /// A field that `ControllerConfiguration` does not have.
    #[error("--config: {file} has an unknown field {field:?}{hint}")]
    Unknown {
        /// The file.
        file: String,
        /// Path of the field.
        field: String,
        /// A similar field, as the end of the sentence.
        hint: String,
    },
    /// A value of the wrong type.
    #[error("--config: {file}: {field} has a value of the wrong type: {value}")]
    Value {
        /// The file.
        file: String,
        /// Path of the field.
        field: String,
        /// The value found.
        value: String,
    },
}

/// The flags of a command, preceded by those from the file that `--config` names.
///
/// # Errors
/// [`ConfigError`] if there is such a file and it cannot be used.
pub(crate) fn with_file(schema: &Schema, flags: &[String]) -> Result<Vec<String>, ConfigError> {
    let Some(file) = file_of(flags) else {
        return Ok(flags.to_vec());
    };
    let text = read(&file)?;
    with_text(schema, flags, &file, &text)
}

/// Like [`with_file`], with the content of the file as an argument.
///
/// # Errors
/// [`ConfigError`] if the content cannot be used.
pub(crate) fn with_text(schema: &Schema, flags: &[String], file: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    let from_file = flags_of(schema, file, text)?;
    let given = |name: &str| flags.iter().any(|flag| name_of(flag) == Some(name));
    let kept = from_file
        .into_iter()
        .filter(|(name, _)| name == MERGED || !given(name))
        .map(|(name, value)| format!("--{name}={value}"));
    Ok(kept.chain(flags.iter().cloned()).collect())
}

/// The file that the last `--config` flag names.
pub(crate) fn file_of(flags: &[String]) -> Option<String> {
    let mut file = None;
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        if flag == "--config" {
            file = flags.next().cloned();
        } else if let Some(value) = flag.strip_prefix("--config=") {
            file = Some(value.to_owned());
        }
    }
    file.filter(|file| !file.is_empty())
}

/// The name of a flag written as `--name=value`, `--name` or `-v4`.
fn name_of(flag: &str) -> Option<&str> {
    match flag.strip_prefix("--") {
        Some(long) => long.split('=').next(),
        None => flag
            .strip_prefix('-')
            .filter(|short| short.starts_with('v'))
            .map(|_| "v"),
    }
}

fn read(file: &str) -> Result<String, ConfigError> {
    let failed = |why: String| ConfigError::Read {
        file: file.to_owned(),
        why,
    };
    let size = std::fs::metadata(file)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if size > LARGEST {
        return Err(failed(format!("it has {size} bytes; the limit is {LARGEST}")));
    }
    std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))
}

/// The flags for the content of a file: names and values, in the order of the fields.
fn flags_of(schema: &Schema, file: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| ConfigError::Yaml {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("none");
    let found = (field("apiVersion"), field("kind"));
    if found != (schema.api_version, schema.kind) {
        return Err(ConfigError::Kind {
            file: file.to_owned(),
            api_version: schema.api_version,
            kind: schema.kind,
            found: format!("{} and {}", found.0, found.1),
        });
    }
    let mut flags = Vec::new();
    walk(schema.fields, file, "", &value, &mut flags)?;
    // a deprecated field and its replacement may set the same flag: the replacement takes precedence
    let rank = |field: &str| schema.fields.iter().position(|(known, _)| *known == field);
    flags.sort_by_key(|(field, _, _)| rank(field));
    Ok(flags.into_iter().map(|(_, flag, value)| (flag, value)).collect())
}

fn walk(
    known: &[(&str, &str)],
    file: &str,
    path: &str,
    value: &Value,
    flags: &mut Vec<(String, String, String)>,
) -> Result<(), ConfigError> {
    let flag = known.iter().find(|(field, _)| *field == path).map(|(_, flag)| *flag);
    // certlet has its own log format
    if value.is_null() || path == "logging.options" {
        return Ok(());
    }
    if let Some(flag) = flag {
        if is_unset(flag, value) {
            return Ok(());
        }
        let text = text_of(flag, value).ok_or_else(|| ConfigError::Value {
            file: file.to_owned(),
            field: path.to_owned(),
            value: value.to_string(),
        })?;
        flags.push((path.to_owned(), flag.to_owned(), text));
        return Ok(());
    }
    let is_group = path.is_empty() || known.iter().any(|(field, _)| field.starts_with(&format!("{path}.")));
    if !is_group {
        return Err(ConfigError::Unknown {
            file: file.to_owned(),
            field: path.to_owned(),
            hint: hint(known, path),
        });
    }
    let Some(fields) = value.as_object() else {
        return Err(ConfigError::Value {
            file: file.to_owned(),
            field: path.to_owned(),
            value: value.to_string(),
        });
    };
    for (name, value) in fields {
        if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind") {
            continue;
        }
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        walk(known, file, &below, value, flags)?;
    }
    Ok(())
}

/// Whether cert-manager treats the value as not set and uses the default.
fn is_unset(flag: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty() || DURATIONS.contains(&flag) && is_zero(text),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => DURATIONS.contains(&flag) && number.as_f64() == Some(0.0),
        Value::Null => true,
        Value::Bool(_) => false,
    }
}

fn is_zero(text: &str) -> bool {
    text.parse::<GoDuration>()
        .is_ok_and(|duration| duration.as_nanoseconds() == 0)
}

/// The field that was probably meant: same name with other capitalisation, or in another group.
fn hint(known: &[(&str, &str)], path: &str) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let meant = known.iter().find(|(field, _)| last(field) == last(path));
    meant.map_or_else(String::new, |(field, _)| format!("; did you mean {field}?"))
}

fn text_of(flag: &str, value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if DURATIONS.contains(&flag) => Some(format!("{number}ns")),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let level = |item: &Value| {
                Some(format!(
                    "{}={}",
                    item.get("filePattern")?.as_str()?,
                    item.get("verbosity")?
                ))
            };
            let text = |item: &Value| item.as_str().map(str::to_owned).or_else(|| level(item));
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            Some(items?.join(","))
        }
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| Some(format!("{key}={}", text_of("", value)?)));
            Some(pairs.collect::<Option<Vec<_>>>()?.join(","))
        }
        Value::Null => None,
    }
}
