//! How a challenge becomes visible to the CA.
