//! The stage of an Order, parsed once from its status.

use crate::{
    acme::url::origin,
    api::order::{Authorization, OrderStatus, State},
};

/// The stage of an Order. The CA's view of an open one is in memory, and is read if it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderStage<'a> {
    /// No ACME order is known: the next request is newOrder.
    New,
    /// The ACME order exists, and its certificate is not issued yet.
    Open(Open<'a>),
    /// The certificate is issued.
    Valid,
    /// The Order has failed.
    Failed(State),
    /// The ACME order belongs to another server than the issuer's.
    Foreign {
        /// Its URL.
        url: &'a str,
    },
}

/// An ACME order at the issuer's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Its URL.
    pub url: &'a str,
    /// The written authorizations. Only those of the issuer's server are answered.
    pub authorizations: &'a [Authorization],
}

impl<'a> OrderStage<'a> {
    /// Parses `status`. `server` is the directory URL of the issuer. `account` is the URL of its account, which may
    /// have another origin that the directory names.
    pub fn parse(status: &'a OrderStatus, server: &str, account: &str) -> Self {
        let has_certificate = status
            .certificate
            .as_ref()
            .is_some_and(|certificate| !certificate.0.is_empty());
        match (status.state, status.url.as_deref().filter(|url| !url.is_empty())) {
            (Some(State::Valid), _) if has_certificate => Self::Valid,
            (Some(state @ (State::Invalid | State::Expired | State::Errored)), _) => Self::Failed(state),
            (Some(State::Valid | State::Ready | State::Pending | State::Processing) | None, None) => Self::New,
            (Some(State::Valid | State::Ready | State::Pending | State::Processing) | None, Some(url)) => {
                let of_order = origin(url);
                if of_order.is_some() && [server, account].into_iter().any(|own| origin(own) == of_order) {
                    Self::Open(Open {
                        url,
                        authorizations: &status.authorizations,
                    })
                } else {
                    Self::Foreign { url }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ByteString;

    const SERVER: &str = "https://ca.example:14000/dir";
    const ACCOUNT: &str = "https://ca.example:14000/account/1";

    fn status(state: Option<State>, url: Option<&str>) -> OrderStatus {
        OrderStatus {
            state,
            url: url.map(str::to_owned),
            ..OrderStatus::default()
        }
    }

    #[test]
    fn an_order_without_url_is_new_whatever_it_says() {
        for state in [None, Some(State::Pending), Some(State::Valid)] {
            assert_eq!(
                OrderStage::parse(&status(state, None), SERVER, ACCOUNT),
                OrderStage::New
            );
        }
    }

    #[test]
    fn a_valid_order_without_its_certificate_is_open() {
        let mut order = status(Some(State::Valid), Some("https://ca.example:14000/order/1"));
        assert!(matches!(
            OrderStage::parse(&order, SERVER, ACCOUNT),
            OrderStage::Open(_)
        ));
        order.certificate = Some(ByteString(b"pem".to_vec()));
        assert_eq!(OrderStage::parse(&order, SERVER, ACCOUNT), OrderStage::Valid);
    }

    #[test]
    fn an_order_may_be_where_the_account_is() {
        let order = status(Some(State::Pending), Some("https://inner.example:9000/order/1"));
        let account = "https://inner.example:9000/account/1";
        assert!(matches!(
            OrderStage::parse(&order, SERVER, account),
            OrderStage::Open(_)
        ));
        assert!(matches!(
            OrderStage::parse(&order, SERVER, ""),
            OrderStage::Foreign { .. }
        ));
    }

    #[test]
    fn failures_are_final_and_another_server_is_not_asked() {
        let failed = status(Some(State::Errored), Some("https://ca.example:14000/order/1"));
        assert_eq!(
            OrderStage::parse(&failed, SERVER, ACCOUNT),
            OrderStage::Failed(State::Errored)
        );
        let foreign = status(Some(State::Pending), Some("https://ca.example/order/1"));
        assert!(matches!(
            OrderStage::parse(&foreign, SERVER, ACCOUNT),
            OrderStage::Foreign { .. }
        ));
    }
}
