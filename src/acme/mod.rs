//! The ACME client (RFC 8555, RFC 8737 IP identifiers, RFC 9773 renewal information, profiles).
//!
//! One path for every request: [`jws`] signs with the account's own key (RSA or P-256), [`transport`] sends,
//! [`client`] keeps nonces and the directory and reads answers into plain data ([`order`]). What can go wrong is
//! one type, [`Error`], that says in a sentence what happened and classifies itself as [`Next`].
//!
//! | module | what it is |
//! |---|---|
//! | [`registry`] | the clients of this process, one per server, trust and account key |
//! | [`server`] | one ACME server: directory, renewal information |
//! | [`client`] | a server seen by one account key: nonces, signed requests |
//! | [`accounts`] | look up, register, update an account, in the order that never makes one too many |
//! | [`account`] | what a registered account can do: orders, authorizations, certificates |
//! | [`order`], [`registration`] | plain data that the server answers with |
//! | [`problem`] | what the server refuses, classified once |
//! | [`ari`] | when to renew and when to ask again, by renewal information; pure |
//! | [`chain`] | certificate chains and the choice among them; pure |
//! | [`url`] | which URLs can be a server's, and which belong to it; pure |
//! | [`limits`] | how much a server may say |
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
