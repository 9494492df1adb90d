//! The purpose of each request to an ACME server, for metrics and error messages.

use std::fmt;

/// The purpose of a request: the label `action` of metrics (MET-05), and a noun for error messages.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named after the request that it stands for")]
pub enum Action {
    Directory,
    NewNonce {
        /// The label of the request that needs the nonce: the nonce is counted as a part of that request.
        label: &'static str,
    },
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
    /// The value of the label `action`: the names that cert-manager gives to the calls of its ACME client. Requests
    /// that cert-manager never sends have the name that it gives to requests without one.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Directory => "discover",
            Self::NewNonce { label } => label,
            Self::NewAccount => "register_account",
            Self::LookUpAccount => "get_registration",
            Self::UpdateAccount => "update_registration",
            Self::NewOrder => "authorize_order",
            Self::Order => "get_order",
            Self::Authorization => "get_authorization",
            Self::DeactivateAuthorization => "unnamed_action",
            Self::AcceptChallenge => "accept_challenge",
            Self::Finalize => "create_order_cert",
            Self::Certificate => "fetch_cert",
            Self::RenewalInfo => "get_renewal_info",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "the request for its directory",
            Self::NewNonce { .. } => "the request for a nonce",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_one_of_cert_manager_s() {
        let known: Vec<&str> = include_str!("../../tests/data/metrics/acme-actions.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        for action in [
            Action::Directory,
            Action::NewNonce {
                label: Action::NewOrder.label(),
            },
            Action::NewAccount,
            Action::LookUpAccount,
            Action::UpdateAccount,
            Action::NewOrder,
            Action::Order,
            Action::Authorization,
            Action::DeactivateAuthorization,
            Action::AcceptChallenge,
            Action::Finalize,
            Action::Certificate,
            Action::RenewalInfo,
        ] {
            assert!(known.contains(&action.label()), "{action:?}");
        }
    }
}
