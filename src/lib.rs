//! certlet: cert-manager in one small binary.
//!
//! | module | what it is |
//! |---|---|
//! | [`api`] | the wire: types of the custom resources, names of labels and annotations |
//! | [`pki`] | bytes: keys, names, CSRs, certificates, chains, keystores |
//! | [`acme`] | the ACME client (RFC 8555): accounts, orders, problems, renewal information |
//! | [`net`] | the HTTPS client with its limits and trust settings, which addresses may be asked, what an HTTP server bounds |
//! | [`cloud`] | calls of providers' HTTP APIs, their faults, tokens |
//! | [`dns`] | queries to DNS servers, and signed updates of zones |
//! | [`work`] | queues of keys, their workers, lanes for those that wait for a server |
//! | [`process`] | clock, environment, log and counters of this process |
//! | [`plan`] | decisions: pure functions of what was seen and the time |
//! | [`signer`] | how a CertificateRequest becomes a certificate |
//! | [`solver`] | how a challenge becomes visible to the CA |
//! | [`cluster`] | the only place that talks to the Kubernetes API |
//! | [`controller`] | what triggers a reconcile, and in which order its steps run |
//! | [`runtime`] | wiring: leadership, listeners, shutdown |
//! | [`cli`] | the command line |
//! | [`text`] | texts from elsewhere, made fit for terminals, logs and status; used by all |

pub mod acme;
pub mod api;
pub mod cli;
mod cloud;
pub mod cluster;
mod controller;
pub mod dns;
#[cfg(test)]
mod fuzz;
pub mod net;
pub mod pki;
pub mod plan;
pub mod process;
mod runtime;
mod signer;
pub mod solver;
pub mod text;
mod work;
