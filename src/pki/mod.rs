//! Bytes: keys, names, CSRs, certificates, chains and keystores. No Kubernetes, no async, no clock.
