//! What requests are for. Plain data.

use std::fmt;

/// What a request is for: the `action` of metrics (MET-05) and the words of errors.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named after the request that it stands for")]
pub enum Action {
    Directory,
    NewNonce,
    NewAccount,
    LookUpAccount,
    UpdateAccount,
    NewOrder,
    Order,
    Authorization,
    DeactivateAuthorization,
    AcceptChallenge,
    Finalize,
    Certificate,
    RenewalInfo,
}

impl Action {
    /// The value of the label `action`: a closed set.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Directory => "get_directory",
            Self::NewNonce => "get_nonce",
            Self::NewAccount => "register_account",
            Self::LookUpAccount => "get_account",
            Self::UpdateAccount => "update_account",
            Self::NewOrder => "create_order",
            Self::Order => "get_order",
            Self::Authorization => "get_authorization",
            Self::DeactivateAuthorization => "deactivate_authorization",
            Self::AcceptChallenge => "accept_challenge",
            Self::Finalize => "finalize_order",
            Self::Certificate => "fetch_certificate",
            Self::RenewalInfo => "get_renewal_info",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "the request for its directory",
            Self::NewNonce => "the request for a nonce",
            Self::NewAccount => "the registration of the account",
            Self::LookUpAccount => "the look-up of the account",
            Self::UpdateAccount => "the update of the account",
            Self::NewOrder => "the new order",
            Self::Order => "the request for the order",
            Self::Authorization => "the request for the authorization",
            Self::DeactivateAuthorization => "the deactivation of the authorization",
            Self::AcceptChallenge => "the acceptance of the challenge",
            Self::Finalize => "the finalization of the order",
            Self::Certificate => "the request for the certificate",
            Self::RenewalInfo => "the request for renewal information",
        })
    }
}
