//! `--config`: cert-manager's `ControllerConfiguration` (FLG-01). Its fields become the flags of the same meaning, which are
//! then read as if they had been given first; flags that are given win.

mod fields;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::api::GoDuration;

pub(super) use fields::FIELDS;
use fields::{DURATIONS, MERGED};

/// What `apiVersion` and `kind` have to be.
const API_VERSION: &str = "controller.config.cert-manager.io/v1alpha1";
const KIND: &str = "ControllerConfiguration";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not there, too large, or not readable.
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
    /// It is something else.
    #[error("--config: {file} has to begin with `apiVersion: {API_VERSION}` and `kind: {KIND}`, but has {found}")]
    Kind {
        /// The file.
        file: String,
        /// What it has.
        found: String,
    },
    /// A field that cert-manager does not have.
    #[error("--config: {file} has a field {field:?} that does not exist{hint}")]
    Unknown {
        /// The file.
        file: String,
        /// Its path.
        field: String,
        /// What may have been meant.
        hint: String,
    },
    /// A field with something that cannot be its value.
    #[error("--config: {file}: {field} has a value of the wrong kind: {value}")]
    Value {
        /// The file.
        file: String,
        /// Its path.
        field: String,
        /// What it has.
        value: String,
    },
}

/// The flags of `certlet run`, with those that the file named by `--config` stands for put before them.
///
/// # Errors
/// When there is such a file and it cannot be used.
pub fn with_file(flags: &[String]) -> Result<Vec<String>, ConfigError> {
    let Some(file) = file_of(flags) else {
        return Ok(flags.to_vec());
    };
    let text = read(&file)?;
    with_text(flags, &file, &text)
}

/// The same with the text of the file, which is somewhere else.
///
/// # Errors
/// When it cannot be used.
pub fn with_text(flags: &[String], file: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    let from_file = flags_of(file, text)?;
    let given = |name: &str| flags.iter().any(|flag| name_of(flag) == Some(name));
    let kept = from_file
        .into_iter()
        .filter(|(name, _)| name == MERGED || !given(name))
        .map(|(name, value)| format!("--{name}={value}"));
    Ok(kept.chain(flags.iter().cloned()).collect())
}

/// The file that the last `--config` names.
pub fn file_of(flags: &[String]) -> Option<String> {
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

/// `--name=value`, `--name` and `-v4` are flags of that name.
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
        return Err(failed(format!("it has {size} bytes, more than {LARGEST}")));
    }
    std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))
}

/// What the text of a file stands for: names of flags and values, in the order of the table of fields.
fn flags_of(file: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| ConfigError::Yaml {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("none");
    let found = (field("apiVersion"), field("kind"));
    if found != (API_VERSION, KIND) {
        return Err(ConfigError::Kind {
            file: file.to_owned(),
            found: format!("{} and {}", found.0, found.1),
        });
    }
    let mut flags = Vec::new();
    walk(file, "", &value, &mut flags)?;
    // two fields may stand for one flag, the former name and today's: today's counts
    let rank = |field: &str| FIELDS.iter().position(|(known, _)| *known == field);
    flags.sort_by_key(|(field, _, _)| rank(field));
    Ok(flags.into_iter().map(|(_, flag, value)| (flag, value)).collect())
}

fn walk(file: &str, path: &str, value: &Value, flags: &mut Vec<(String, String, String)>) -> Result<(), ConfigError> {
    let flag = FIELDS.iter().find(|(field, _)| *field == path).map(|(_, flag)| *flag);
    // how a line looks beyond its format is certlet's own affair
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
    let is_group = path.is_empty() || FIELDS.iter().any(|(field, _)| field.starts_with(&format!("{path}.")));
    if !is_group {
        return Err(ConfigError::Unknown {
            file: file.to_owned(),
            field: path.to_owned(),
            hint: hint(path),
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
        walk(file, &below, value, flags)?;
    }
    Ok(())
}

/// Whether cert-manager takes a value for one that is not there, and puts its default in its place.
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

/// The same name in other letters, or in another place.
fn hint(path: &str) -> String {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let meant = FIELDS.iter().find(|(field, _)| last(field) == last(path));
    meant.map_or_else(String::new, |(field, _)| format!("; {field} does"))
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
