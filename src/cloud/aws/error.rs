//! Errors of AWS: the code of the reply decides, its message is never repeated.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Action;
use crate::cloud::{Api, Fault, FaultKind, Reply};

/// The code of a batch that cannot be applied.
pub(super) const INVALID_BATCH: &str = "InvalidChangeBatch";

/// An error as AWS writes it, and as it is written in a list.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Code")]
    code: Option<String>,
    #[serde(rename = "Error")]
    error: Option<Coded>,
    #[serde(rename = "Errors")]
    errors: Option<Errors>,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(rename = "Error")]
    error: Coded,
}

#[derive(Deserialize)]
struct Coded {
    #[serde(rename = "Code")]
    code: String,
}

/// The code of an error reply. `<InvalidChangeBatch>` is a document of its own, without a code.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let root = text.trim_start().trim_start_matches('\u{feff}');
    let root = root
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .map_or(root, |(_, rest)| rest);
    if root.trim_start().starts_with("<InvalidChangeBatch") {
        return Some(INVALID_BATCH.to_owned());
    }
    let document: Document = quick_xml::de::from_str(text).ok()?;
    let coded = document.error.or_else(|| document.errors.map(|errors| errors.error));
    coded.map(|error| error.code).or(document.code)
}

/// What an error reply means.
pub(super) fn fault(api: &Api, reply: &Reply, action: &Action<'_>, now: Timestamp) -> Fault {
    let Action {
        service,
        name,
        resource,
        ..
    } = action;
    let server = &reply.server;
    let Some(code) = code(&reply.body) else {
        return reply.not("the XML that its API describes");
    };
    let fault = |kind, sentence: String| Fault::new(kind, sentence);
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => fault(
            FaultKind::Right,
            format!("{server} refuses {name}: allow {service}:{name} on {resource} in the IAM policy of this identity"),
        ),
        "Throttling" | "ThrottlingException" | "PriorRequestNotComplete" | "RequestLimitExceeded" => api.limited(reply),
        "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidIdentityToken"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "OptInRequired" => {
            let skew = skew(reply, now).filter(|skew| code == "SignatureDoesNotMatch" && skew.abs().as_secs() > 300);
            skew.map_or_else(
                || {
                    let known = credential(&code);
                    fault(
                        FaultKind::Credential,
                        format!("{server} does not accept the AWS credentials: {known}"),
                    )
                },
                |skew| clock(server, Some(skew)),
            )
        }
        "RequestTimeTooSkewed" | "RequestExpired" => clock(server, skew(reply, now)),
        "NoSuchHostedZone" => fault(
            FaultKind::NoZone,
            format!("{server} has no {resource}: check route53.hostedZoneID, and that the zone is in this account"),
        ),
        INVALID_BATCH => fault(
            FaultKind::Conflict,
            format!(
                "{server} refused the change as a whole ({INVALID_BATCH}): a record is of another type or policy, or is gone"
            ),
        ),
        _ => reply.unexpected(name),
    }
}

fn credential(code: &str) -> &'static str {
    match code {
        "InvalidClientTokenId" | "InvalidAccessKeyId" | "UnrecognizedClientException" => {
            "the access key does not exist or is not active"
        }
        "SignatureDoesNotMatch" => "the secret access key does not belong to the access key",
        "ExpiredToken" | "ExpiredTokenException" => "the session or its token has expired",
        "InvalidIdentityToken" => {
            "the token of the ServiceAccount is not one of an identity provider that this AWS account knows"
        }
        _ => "they are incomplete or not active in this region",
    }
}

/// How far this clock is ahead of the server's.
fn skew(reply: &Reply, now: Timestamp) -> Option<SignedDuration> {
    let date = reply.headers.get(http::header::DATE)?.to_str().ok()?;
    let date = Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()?;
    Some(now.duration_since(date))
}

fn clock(server: &str, skew: Option<SignedDuration>) -> Fault {
    let by = skew.map_or_else(String::new, |skew| {
        let side = if skew.is_negative() { "behind" } else { "ahead" };
        format!(": this one is {} seconds {side}", skew.abs().as_secs())
    });
    let sentence = format!("the clocks of this machine and of {server} differ{by}; synchronize the clock of the node");
    Fault::new(FaultKind::Clock, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_every_shape_that_servers_write() {
        let shapes = [
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>m</Message></Error></ErrorResponse>",
            "<?xml version=\"1.0\"?><ErrorResponse><Errors><Error><Code>AccessDenied</Code></Error></Errors></ErrorResponse>",
            "<Response><Errors><Error><Code>AccessDenied</Code><Message>m</Message></Error></Errors></Response>",
            "<Error><Code>AccessDenied</Code></Error>",
        ];
        for shape in shapes {
            assert_eq!(code(shape.as_bytes()).as_deref(), Some("AccessDenied"), "{shape}");
        }
        let batch = "<?xml version=\"1.0\"?>\n<InvalidChangeBatch xmlns=\"x\"><Messages><Message>m</Message></Messages></InvalidChangeBatch>";
        assert_eq!(code(batch.as_bytes()).as_deref(), Some(INVALID_BATCH));
        assert_eq!(code(b"<html>"), None);
    }
}
