//! Solvers: how the challenge of an authorization becomes visible to the CA, is seen to be, and is taken away again.
//!
//! What a solver needs the cluster for is here; what it needs only the network for is in `crate::solver`.

pub mod http01;
