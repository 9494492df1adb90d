//! The ACME client (RFC 8555, RFC 8737 IP identifiers, RFC 9773 renewal information, profiles).
//!
//! Every request takes one path: [`jws`] signs with the account's key (RSA or P-256), [`transport`] sends, and
//! [`client`] keeps nonces and the directory and parses answers into plain data ([`order`]). All errors are of one
//! type, [`Error`], which is a sentence for the user and classifies itself as [`Next`].
//!
//! | module | what it is |
//! |---|---|
//! | [`registry`] | the clients of this process, one for each server, trust settings and account key |
//! | [`server`] | one ACME server: directory, renewal information |
//! | [`client`] | a server with one account key: nonces, signed requests |
//! | [`accounts`] | look-up, registration and update of an account, in an order that never creates a second one |
//! | [`account`] | operations of a registered account: orders, authorizations, certificates |
//! | [`order`], [`registration`] | plain data of a server's answers |
//! | [`problem`] | problem documents and their classification |
//! | [`ari`] | when to renew and when to poll again, by renewal information; pure |
//! | [`chain`] | certificate chains and the selection of one; pure |
//! | [`url`] | which URLs can be a server's, and which belong to it; pure |
//! | [`limits`] | limits for a server's answers |
//! | [`jws`] | account keys and signatures |
//! | [`directory`], [`nonce`], [`transport`] | the layers below |

pub mod account;
pub mod accounts;
mod action;
pub mod ari;
pub mod chain;
pub mod client;
pub mod directory;
mod document;
mod error;
mod json;
pub mod jws;
pub mod limits;
pub mod nonce;
pub mod order;
pub mod problem;
pub mod registration;
pub mod registry;
pub mod server;
pub mod transport;
pub mod url;

pub use account::Account;
pub use action::Action;
pub use client::{Answered, Client};
pub use error::Error;
pub use instant_acme::Identifier;
pub use jws::AccountKey;
pub use problem::{Next, Problem};
pub use registry::Registry;
pub use server::Server;
pub use transport::trust;
