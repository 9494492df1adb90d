//! What the rules of a Certificate say about its Secret, as sentences.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cluster::commands::verdict::Observed,
    plan::{
        certificate::verdict::{Verdict, verdict},
        settings::Settings,
    },
};

/// What the rules of one Certificate say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateVerdict {
    /// Name of the Certificate.
    name: String,
    /// Whether a new certificate is asked for now.
    reissue: bool,
    /// The reason, in cert-manager's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The reason as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    /// When it will be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal_time: Option<Timestamp>,
}

/// The verdicts of all Certificates that name the Secret, with the default flags of the controller.
pub(super) fn of_all(now: Timestamp, observed: &[Observed]) -> Vec<CertificateVerdict> {
    let settings = Settings::default();
    let one = |observed: &Observed| {
        let found = match &observed.seen {
            Ok(seen) => verdict(now, seen, &settings),
            Err(why) => return CertificateVerdict::new(&observed.name, true, Some("InvalidSpec"), why.clone()),
        };
        let name = &observed.name;
        match found {
            Verdict::Issuing(message) => CertificateVerdict::new(name, true, Some("Issuing"), message),
            Verdict::Reissue(violation) => {
                CertificateVerdict::new(name, true, Some(violation.reason), violation.message)
            }
            Verdict::Renew(at) => CertificateVerdict {
                renewal_time: Some(at),
                ..CertificateVerdict::new(name, false, None, String::new())
            },
            Verdict::Keep => CertificateVerdict::new(name, false, None, String::new()),
        }
    };
    observed.iter().map(one).collect()
}

impl CertificateVerdict {
    fn new(name: &str, reissue: bool, reason: Option<&'static str>, message: String) -> Self {
        Self {
            name: name.to_owned(),
            reissue,
            reason,
            message,
            renewal_time: None,
        }
    }

    /// Whether the certificate does not stay.
    pub(super) fn is_due(&self) -> bool {
        self.reissue
    }

    /// One line for people.
    pub(super) fn text(&self) -> String {
        let Self { name, message, .. } = self;
        match (self.reason, self.renewal_time) {
            (Some("Issuing"), _) => format!("Certificate {name} is being issued: {message}"),
            (Some("InvalidSpec"), _) => format!("Certificate {name} cannot be read: {message}"),
            (Some(reason), _) => format!("Certificate {name} asks for a new one ({reason}): {message}"),
            (None, Some(at)) => format!("Certificate {name} keeps it, and renews it at {at}"),
            (None, None) => format!("Certificate {name} keeps it"),
        }
    }
}
