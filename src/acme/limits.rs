//! Limits for a server's answers. A larger answer ends the request, and after a few retries the Order.

use super::Action;
use super::Error;
use super::transport::Answer;

/// The largest object in bytes: a directory, an account, an authorization with its challenges, a problem document.
pub const MAX_OBJECT: usize = 64 << 10;
/// How many bytes an order may be larger for each of its names.
pub const MAX_BYTES_PER_NAME: usize = 512;
/// The longest URL in bytes, as in the definition of Orders.
pub const MAX_URL: usize = 2048;
/// The most challenges of known types in an authorization, as in the definition of Orders.
pub const MAX_CHALLENGES: usize = 100;
/// The longest token of a challenge, in characters.
pub const MAX_TOKEN: usize = 255;
/// The most issuer domain names of a challenge (draft-ietf-acme-dns-persist).
pub const MAX_ISSUER_NAMES: usize = 10;
/// The longest identifier, in characters: more than any DNS name.
pub const MAX_IDENTIFIER: usize = 255;
/// The most profiles and contacts of a server that are kept.
pub const MAX_NAMES: usize = 100;
/// The factor between the largest chain and the largest answer with it: CAs write text between the certificates.
const TEXT_AROUND_CERTIFICATES: usize = 4;

/// The largest answer to `action` in bytes. `names` is the number of names in the order that it concerns; `object` and
/// `chain` are the limits of [`super::transport::Settings`].
pub(super) fn answer_limit(action: Action, names: usize, object: usize, chain: usize) -> usize {
    match action {
        Action::NewOrder | Action::Order | Action::Finalize => {
            object.saturating_add(names.saturating_mul(MAX_BYTES_PER_NAME))
        }
        Action::Certificate => chain.saturating_mul(TEXT_AROUND_CERTIFICATES).max(object),
        Action::Directory
        | Action::NewNonce { .. }
        | Action::NewAccount
        | Action::LookUpAccount
        | Action::UpdateAccount
        | Action::Authorization
        | Action::DeactivateAuthorization
        | Action::AcceptChallenge
        | Action::RenewalInfo => object,
    }
}

impl Answer {
    /// Returns the URL, if it is not too long.
    ///
    /// # Errors
    /// [`Error::Excessive`].
    pub(super) fn bounded_url(&self, url: String) -> Result<String, Error> {
        self.at_most(url, MAX_URL, "a URL")
    }

    /// Returns the text, if it has at most `most` bytes. `what` names it with its article.
    ///
    /// # Errors
    /// [`Error::Excessive`].
    pub(super) fn at_most(&self, text: String, most: usize, what: &str) -> Result<String, Error> {
        if text.len() <= most {
            Ok(text)
        } else {
            Err(self.excessive(format!("{what} of more than {most} characters")))
        }
    }

    /// The error for an answer that exceeds a limit.
    pub(super) fn excessive(&self, what: String) -> Error {
        Error::Excessive {
            host: self.host.clone(),
            action: self.action,
            what,
        }
    }
}
