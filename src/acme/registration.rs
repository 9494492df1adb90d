//! An account as its server describes it, as plain data.

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
    /// Whether this request created it (status 201).
    pub created: bool,
    /// Its contacts as URLs. Some CAs never return them.
    pub contacts: Vec<String>,
}

impl Registration {
    /// Parses the server's answer about the account at `uri`.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or [`Error::AccountClosed`] for a deactivated or revoked account.
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

/// The step of a registration that failed. It decides the reason of the issuer's condition (ACC-09).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// The look-up of the key's account.
    LookUp,
    /// The registration.
    Register,
    /// The update of the contact.
    Update,
}
