//! The ACME client (RFC 8555).
