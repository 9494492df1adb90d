//! How much a server may say. What is larger ends the request, and after a few tries the order, with a sentence.

use super::Action;
use super::Error;
use super::transport::Answer;

/// The largest object in bytes: a directory, an account, an authorization with its challenges, a problem.
pub const MAX_OBJECT: usize = 64 << 10;
/// How much larger an order may be for each name in it.
pub const MAX_BYTES_PER_NAME: usize = 512;
/// The longest URL in bytes, as in the definition of Orders.
pub const MAX_URL: usize = 2048;
/// How many challenges of kinds that are known an authorization may have, as in the definition of Orders.
pub const MAX_CHALLENGES: usize = 100;
/// The longest token of a challenge.
pub const MAX_TOKEN: usize = 255;
/// The longest identifier: more than any DNS name.
pub const MAX_IDENTIFIER: usize = 255;
/// How many profiles and contacts of a server are kept.
pub const MAX_NAMES: usize = 100;
/// How much larger than the largest chain the answer with it may be: CAs write text between the certificates.
const TEXT_AROUND_CERTIFICATES: usize = 4;

/// The largest answer to `action` in bytes. `names` is how many names the order has that it is about; `object` and `chain` are
/// the limits of [`super::transport::Settings`].
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
    /// The URL, if it is not too long.
    pub(super) fn bounded_url(&self, url: String) -> Result<String, Error> {
        self.at_most(url, MAX_URL, "a URL")
    }

    /// The text, if it has at most `most` bytes; `what` names it with its article.
    pub(super) fn at_most(&self, text: String, most: usize, what: &str) -> Result<String, Error> {
        if text.len() <= most {
            Ok(text)
        } else {
            Err(self.excessive(format!("{what} of more than {most} characters")))
        }
    }

    /// The error for an answer that says more than makes sense.
    pub(super) fn excessive(&self, what: String) -> Error {
        Error::Excessive {
            host: self.host.clone(),
            action: self.action,
            what,
        }
    }
}
