//! What the API refuses, and how to correct it.

use jiff::Timestamp;
use serde::Deserialize;

use super::Client;
use crate::cloud::{Fault, FaultKind, Reply, oauth};

/// A problem (RFC 9457). Its texts are compared with known ones, and never repeated.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Problem {
    fn of(reply: &Reply) -> Self {
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    fn has(&self, words: &str) -> bool {
        let contains = |text: &str| text.to_ascii_lowercase().contains(words);
        contains(&self.title) || contains(&self.detail)
    }
}

impl Client {
    /// The status is 400 or 401.
    pub(super) fn not_accepted(reply: &Reply, now: Timestamp) -> Fault {
        let (problem, server) = (Problem::of(reply), &reply.server);
        if problem.has("timestamp") {
            let difference = oauth::clock_difference(reply, now);
            let sentence = format!("{server} does not accept the time of the request: {difference}");
            return Fault::new(FaultKind::Clock, sentence);
        }
        let words = if problem.has("signature") {
            "the client secret is wrong"
        } else if problem.has("access token") {
            "the access token is wrong or revoked"
        } else if problem.has("client token") {
            "the client token is wrong, inactive, or belongs to another host: check akamai.serviceConsumerDomain, too"
        } else if reply.status.as_u16() == 401 {
            "the credentials are not accepted: check the three values and akamai.serviceConsumerDomain"
        } else {
            return reply.unexpected("change a record");
        };
        Fault::new(FaultKind::Credential, format!("{server}: {words} ({})", reply.status))
    }

    /// The status is 403.
    pub(super) fn forbidden(reply: &Reply, zone: &str) -> Fault {
        let sentence = format!(
            "{} refused the API client: grant it the API \"DNS—Zone Record Management\" with READ-WRITE, and the group that the zone {zone} \
             is in",
            reply.server
        );
        Fault::new(FaultKind::Right, sentence)
    }

    /// The status is 404 for a new record.
    pub(super) fn no_zone(reply: &Reply, zone: &str) -> Fault {
        let sentence = format!(
            "{} has no zone {zone} for this API client: check the contract and group of its credentials",
            reply.server
        );
        Fault::new(FaultKind::NoZone, sentence)
    }
}
