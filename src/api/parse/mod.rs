//! Parsing of an object's JSON, with the name of the field in errors.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// How many parts of a status are left out before nothing of it is read: each costs another reading.
const MAX_LEFT_OUT: usize = 16;
/// 0000-01-01T00:00:00Z.
const YEAR_0: Timestamp = Timestamp::constant(-62_167_219_200, 0);

/// A field that cannot be read as what it has to be. `Display` is a sentence for a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct InvalidField {
    /// Where, for example `spec.privateKey.algorithm`.
    pub path: String,
    /// What is wrong, naming the value found.
    pub message: String,
}

impl InvalidField {
    /// The same error with a path from the parent object, after a parse of only its `spec`.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        let path = match self.path.as_str() {
            "" => parent.to_owned(),
            path => format!("{parent}.{path}"),
        };
        Self { path, ..self }
    }
}

/// Reads `json`, for example a whole Certificate or only its spec.
///
/// # Errors
/// The first field that does not fit, with the value found; the value of a password is never repeated.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, InvalidField> {
    // keeping track of the path costs more than the reading, and nearly everything can be read
    serde_json::from_str(json).or_else(|_| {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| invalid(&error))
    })
}

/// Like [`parse`], from JSON that is already a value.
///
/// # Errors
/// As [`parse`].
pub fn parse_value<T: DeserializeOwned>(value: &Value) -> Result<T, InvalidField> {
    serde_path_to_error::deserialize(value).map_err(|error| invalid(&error))
}

/// What can be read of a status. A part that does not fit (a time that is none, a condition without a type) is left out with
/// what it belongs to; the rest counts. Where more than [`MAX_LEFT_OUT`] parts do not fit, nothing does.
pub fn parse_readable<T: DeserializeOwned + Default>(json: &str) -> T {
    // in another zone this year may be the one before, which can be read and not be written
    let year_0 = json.contains("\"0000-");
    let read = if year_0 { None } else { serde_json::from_str(json).ok() };
    read.unwrap_or_else(|| {
        let mut value: Value = serde_json::from_str(json).unwrap_or_default();
        if year_0 {
            leave_out_years_before_0(&mut value);
        }
        for _ in 0..MAX_LEFT_OUT {
            match serde_path_to_error::deserialize(&value) {
                Ok(read) => return read,
                Err(error) if leave_out(&mut value, error.path()) => {}
                Err(_) => break,
            }
        }
        T::default()
    })
}

fn leave_out_years_before_0(value: &mut Value) {
    let before_0 = |value: &Value| {
        let time = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        time.is_some_and(|time| time < YEAR_0)
    };
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !before_0(field));
            fields.values_mut().for_each(leave_out_years_before_0);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_years_before_0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Takes out what is at `path`; false if it is the whole value, or not there.
fn leave_out(value: &mut Value, path: &Path) -> bool {
    let mut segments = path.iter().peekable();
    let mut at = value;
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        at = match (segment, at) {
            (Segment::Map { key }, Value::Object(fields)) if is_last => return fields.remove(key).is_some(),
            (Segment::Seq { index }, Value::Array(items)) if is_last => {
                return (*index < items.len()).then(|| items.remove(*index)).is_some();
            }
            (Segment::Map { key }, Value::Object(fields)) => match fields.get_mut(key) {
                Some(field) => field,
                None => return false,
            },
            (Segment::Seq { index }, Value::Array(items)) => match items.get_mut(*index) {
                Some(item) => item,
                None => return false,
            },
            _ => return false,
        };
    }
    false
}

fn invalid(error: &serde_path_to_error::Error<serde_json::Error>) -> InvalidField {
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    if path.ends_with("password") {
        return InvalidField {
            path,
            message: "must be a string".to_owned(),
        };
    }
    // serde_json adds a place in a text that the user never sees.
    let message = error.inner().to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(before, _)| before)
        .to_owned();
    InvalidField { path, message }
}

#[cfg(test)]
mod tests;
