//! The verdict about a Venafi issuer (RDY-05), in cert-manager's words.

use super::IssuerVerdict;

/// Reason and message of an issuer that can sign.
pub(super) const STARTED: &str = "Certificate Manager issuer started";

/// The issuer can sign.
pub fn venafi_started() -> IssuerVerdict {
    IssuerVerdict::ready(STARTED, STARTED)
}

/// The server does not accept the credential; why, as a sentence.
pub fn venafi_denied(why: &str) -> IssuerVerdict {
    IssuerVerdict::not_ready("AuthFailed", format!("OAuth token request failed: {why}"))
}

/// The issuer cannot sign; why, as a sentence.
pub fn venafi_not_usable(why: &str) -> IssuerVerdict {
    IssuerVerdict::not_ready(
        "ErrorSetup",
        format!("Failed to setup Certificate Manager issuer: {why}"),
    )
}
