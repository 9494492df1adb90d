//! Errors of AWS: the code decides, in two cases the kind of message. Codes and messages are compared with known ones and never repeated.

use jiff::Timestamp;
use serde::Deserialize;

use super::Action;
use crate::cloud::{Api, Fault, FaultKind, Reply};

/// The code of a batch that cannot be applied.
const INVALID_BATCH: &str = "InvalidChangeBatch";

/// What an error reply says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The code.
    pub(super) code: String,
    /// The message, or all of them.
    pub(super) message: String,
}

/// An error as AWS writes it, and as servers that stand for AWS write it: in a list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    code: Option<String>,
    #[serde(default)]
    message: String,
    error: Option<Coded>,
    errors: Option<Errors>,
    messages: Option<Messages>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Errors {
    error: Coded,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Coded {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(rename = "Message", default)]
    all: Vec<String>,
}

/// Reads an error reply. `<InvalidChangeBatch>` is a document of its own, without a code.
pub(super) fn refusal(body: &[u8]) -> Option<Refusal> {
    let text = std::str::from_utf8(body).ok()?;
    let document: Document = quick_xml::de::from_str(text).ok()?;
    if let Some(Coded { code, message }) = document.error.or_else(|| document.errors.map(|errors| errors.error)) {
        return Some(Refusal { code, message });
    }
    if let Some(code) = document.code {
        let message = document.message;
        return Some(Refusal { code, message });
    }
    let messages = document.messages?;
    text.contains("<InvalidChangeBatch").then(|| Refusal {
        code: INVALID_BATCH.to_owned(),
        message: messages.all.join("\n"),
    })
}

/// Why a batch of changes cannot be applied, if the reply says that.
pub(super) fn invalid_batch(reply: &Reply) -> Option<String> {
    let refusal = refusal(&reply.body).filter(|refusal| refusal.code == INVALID_BATCH)?;
    Some(refusal.message)
}

/// What an error reply means. `role` is the field with the role.
pub(super) fn fault(api: &Api, reply: &Reply, action: &Action<'_>, role: &str, now: Timestamp) -> Fault {
    let Action { name, resource, .. } = action;
    let server = &reply.server;
    let Some(Refusal { code, message }) = refusal(&reply.body) else {
        return reply.not("the XML that its API describes");
    };
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => denied(reply, action),
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "PriorRequestNotComplete"
        | "RequestLimitExceeded" => api.limited(reply),
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => clock(reply, now),
        "SignatureDoesNotMatch" | "InvalidSignatureException" if is_of_time(&message) => clock(reply, now),
        "NoSuchHostedZone" => Fault::new(
            FaultKind::NoZone,
            format!(
                "{server} has no {resource}: correct route53.hostedZoneID, or use credentials of the account that the zone is in"
            ),
        ),
        "ValidationError" => Fault::new(
            FaultKind::Credential,
            format!("{server} does not accept the credentials: {role} is not the ARN of a role"),
        ),
        code => match credential(code) {
            Some(known) => Fault::new(
                FaultKind::Credential,
                format!("{server} does not accept the credentials: {known}"),
            ),
            None => reply.unexpected(name),
        },
    }
}

/// A signature is refused by this code for its time too. The messages are "Signature expired: … is now earlier than …" and
/// "Signature not yet current: … is still later than …".
fn is_of_time(message: &str) -> bool {
    ["Signature expired", "Signature not yet current"]
        .iter()
        .any(|start| message.contains(start))
}

/// A role that cannot be assumed is of no use for any record; another right is missing for one zone.
fn denied(reply: &Reply, action: &Action<'_>) -> Fault {
    let Action {
        service,
        name,
        resource,
        ..
    } = action;
    let server = &reply.server;
    match *name {
        "AssumeRole" => Fault::new(
            FaultKind::Credential,
            format!(
                "{server} refuses AssumeRole: allow sts:AssumeRole on {resource} in the IAM policy of this identity, and this identity in \
                 the trust policy of the role"
            ),
        ),
        "AssumeRoleWithWebIdentity" => Fault::new(
            FaultKind::Credential,
            format!(
                "{server} refuses AssumeRoleWithWebIdentity: allow sts:AssumeRoleWithWebIdentity in the trust policy of {resource} for the \
                 subject and the audience of the ServiceAccount's token"
            ),
        ),
        _ => Fault::new(
            FaultKind::Right,
            format!("{server} refuses {name}: allow {service}:{name} on {resource} in the IAM policy of this identity"),
        ),
    }
}

/// What is wrong with credentials that are refused with this code.
fn credential(code: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidClientTokenId" | "InvalidAccessKeyId" | "UnrecognizedClientException" => {
            "the access key does not exist or is not active"
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            "the secret access key does not belong to the access key"
        }
        "ExpiredToken" | "ExpiredTokenException" => "the session or its token has expired",
        "InvalidIdentityToken" | "IDPRejectedClaim" => {
            "the token of the ServiceAccount is not one of an identity provider that this AWS account knows, or its audience is another one"
        }
        "RegionDisabledException" | "OptInRequired" => "they are not active in this region",
        "MissingAuthenticationToken" | "IncompleteSignature" => "they are incomplete",
        _ => return None,
    })
}

fn clock(reply: &Reply, now: Timestamp) -> Fault {
    let by = reply.clock_ahead(now).map_or_else(String::new, |skew| {
        let side = if skew.is_negative() { "behind" } else { "ahead" };
        format!(": this one is {} seconds {side}", skew.abs().as_secs())
    });
    let sentence = format!(
        "the clocks of this machine and of {} differ{by}; synchronize the clock of the node",
        reply.server
    );
    Fault::new(FaultKind::Clock, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_its_message_are_found_in_every_shape_that_servers_write() {
        let shapes = [
            "<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>",
            "<?xml version=\"1.0\"?>\n<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>m</Message></Error></Errors></ErrorResponse>",
            "<Response><Errors><Error><Code>AccessDenied</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>",
            "<Error><Code>AccessDenied</Code><Message>m</Message></Error>",
        ];
        for shape in shapes {
            let read = refusal(shape.as_bytes()).unwrap();
            assert_eq!(
                (read.code.as_str(), read.message.as_str()),
                ("AccessDenied", "m"),
                "{shape}"
            );
        }
        let batch = "<?xml version=\"1.0\"?>\n<InvalidChangeBatch xmlns=\"x\"><Messages><Message>a &quot;b&quot;</Message><Message>c</Message></Messages></InvalidChangeBatch>";
        let read = refusal(batch.as_bytes()).unwrap();
        assert_eq!(
            (read.code.as_str(), read.message.as_str()),
            (INVALID_BATCH, "a \"b\"\nc")
        );
        for other in ["<html><body>x</body></html>", "", "{}", "<a>"] {
            assert_eq!(refusal(other.as_bytes()), None, "{other}");
        }
    }
}
