//! What is the same for everything that certlet asks over the network where somebody else chooses the server: which addresses may
//! be asked at all.

pub mod address;
mod names;

pub use address::{AddressPolicy, Network, RefusedAddress};
pub use names::{JudgedNames, literal, proxy_hosts, refused};
