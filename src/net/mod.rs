//! What is the same on the network for everything in certlet: which addresses may be asked where somebody else chooses the server,
//! and what an HTTP server bounds.

pub mod address;
mod names;
pub mod server;

pub use address::{AddressPolicy, Network, RefusedAddress};
pub use names::{JudgedNames, literal, proxy_hosts, refused};
