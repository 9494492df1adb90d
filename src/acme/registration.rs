//! An account as its server describes it. Plain data.

use serde::Deserialize;

use super::Error;
use super::json::Field;
use super::limits::MAX_NAMES;
use super::transport::Answer;
use crate::text::excerpt;

/// An account as the server describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registration {
    /// The account's URL.
    pub uri: String,
    /// True when this request made it (status 201).
    pub created: bool,
    /// Its contacts as URLs; some CAs never show them.
    pub contacts: Vec<String>,
}

impl Registration {
    pub(super) fn read(answer: &Answer, uri: String) -> Result<Self, Error> {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        struct Body {
            contact: Field<Vec<String>>,
            status: Field<String>,
        }
        let Body { contact, status } = answer.json()?;
        let contact = contact.list().into_iter().take(MAX_NAMES);
        match status.0.as_deref() {
            Some(status @ ("deactivated" | "revoked")) => Err(Error::AccountClosed {
                uri: excerpt(&uri),
                status: status.to_owned(),
            }),
            _ => Ok(Self {
                uri,
                created: answer.status == http::StatusCode::CREATED,
                contacts: contact.collect(),
            }),
        }
    }
}

/// Which step of making sure of an account failed; it decides the reason that an issuer shows (ACC-09).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Finding the account of the key.
    LookUp,
    /// Making one.
    Register,
    /// Correcting its contact.
    Update,
}
