//! Reading an object's JSON so that a failure names the field.

use serde::de::DeserializeOwned;

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
    /// The same error seen from the parent object, for whoever parsed only its `spec`.
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
pub fn parse_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, InvalidField> {
    serde_path_to_error::deserialize(value).map_err(|error| invalid(&error))
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
