//! Access tokens (RFC 6749): how they are requested, remembered and sent.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use url::form_urlencoded;

use super::{Api, Call, Cloud, Fault, FaultKind, Reply};
use crate::pki::hidden::Hidden;

/// The name of a token in the memo.
const TOKEN: &str = "token";
/// How long before its end a token is no longer used.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// The lifetime of a token whose server does not tell it.
const UNKNOWN_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// The longest lifetime that is believed.
const LONGEST_LIFETIME: i64 = 24 * 60 * 60;
/// The largest text of a token that a header carries.
const LONGEST_TOKEN: usize = 16 << 10;

/// A token that a server has issued.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The token.
    pub value: Hidden<String>,
    /// How long it is valid.
    pub lifetime: SignedDuration,
}

/// The body of a successful answer (RFC 6749 section 5.1). Some servers write the number as text.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

/// The body of a refusal (RFC 6749 section 5.2). Its texts are compared with known ones, and never repeated.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refused {
    /// The code.
    #[serde(default)]
    pub error: String,
    /// The text.
    #[serde(default)]
    pub error_description: String,
    /// Numbers of Microsoft's errors.
    #[serde(default)]
    pub error_codes: Vec<u32>,
}

/// Reads the answer to a request for a token.
///
/// # Errors
/// If it has no token.
pub(crate) fn granted(reply: &Reply) -> Result<Token, Fault> {
    let Granted {
        access_token,
        expires_in,
    } = reply.json()?;
    let seconds = match expires_in {
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.parse().ok(),
        None => None,
    };
    let lifetime = seconds.map_or(UNKNOWN_LIFETIME, |seconds| {
        SignedDuration::from_secs(seconds.clamp(0, LONGEST_LIFETIME))
    });
    Ok(Token {
        value: Hidden::new(access_token),
        lifetime,
    })
}

/// Reads why a token was refused. Empty if the server does not answer as RFC 6749 describes.
pub(crate) fn refused(reply: &Reply) -> Refused {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// The code of a refusal, if it is a known one, for sentences.
pub(crate) fn known_code(code: &str) -> &'static str {
    const CODES: [&str; 10] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
        "access_denied",
        "interaction_required",
        "invalid_resource",
    ];
    CODES
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or("an unknown code")
}

/// The token of a credential: the remembered one, or else the one that `ask` returns.
///
/// # Errors
/// Those of `ask`.
pub(crate) async fn remembered(
    cloud: &Cloud,
    credential: &str,
    ask: impl Future<Output = Result<Token, Fault>>,
) -> Result<Hidden<String>, Fault> {
    let _turn = cloud.memo.turn(credential, TOKEN).await;
    if let Some(token) = cloud.memo.get(credential, TOKEN) {
        return Ok(token);
    }
    let Token { value, lifetime } = ask.await?;
    let used_for = (lifetime - MARGIN).max(lifetime / 2);
    let until = (cloud.now)().saturating_add(used_for).unwrap_or(Timestamp::MAX);
    cloud.memo.set(credential, TOKEN, value.clone(), until);
    Ok(value)
}

/// Forgets a token that a server has refused.
pub(crate) fn forget(cloud: &Cloud, credential: &str) {
    cloud.memo.forget(credential, TOKEN);
}

/// Whose tokens are remembered.
pub(crate) trait Tokens {
    /// A token, as [`remembered`] has it.
    fn token(&self, cloud: &Cloud) -> impl Future<Output = Result<Hidden<String>, Fault>> + Send;

    /// Forgets the token, which was refused.
    fn forget(&self, cloud: &Cloud);
}

/// Makes a call with a token, whose body is JSON. A remembered token that the server refuses is replaced once: a reply with the status 401
/// is one to a new token.
///
/// # Errors
/// If there is no token, or no reply.
pub(crate) async fn send(cloud: &Cloud, api: &Api, login: &impl Tokens, call: &Call<'_>) -> Result<Reply, Fault> {
    let mut is_fresh = false;
    loop {
        let token = login.token(cloud).await?;
        let mut headers = bearer(&token)?;
        headers.extend(call.headers.clone());
        if call.body.is_some() {
            headers = content_type(headers, "application/json");
        }
        let reply = api
            .send(Call {
                purpose: call.purpose,
                method: call.method.clone(),
                url: call.url,
                headers,
                body: call.body.clone(),
            })
            .await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        login.forget(cloud);
        if is_fresh {
            return Ok(reply);
        }
        is_fresh = true;
    }
}

/// The headers of a call with this token (RFC 6750).
///
/// # Errors
/// If the token cannot be sent in a header.
pub(crate) fn bearer(token: &Hidden<String>) -> Result<HeaderMap, Fault> {
    let unusable = || Fault::new(FaultKind::Other, "the access token is not one that a header can carry");
    if token.expose().len() > LONGEST_TOKEN {
        return Err(unusable());
    }
    let text = format!("Bearer {}", token.expose());
    let mut value = HeaderValue::try_from(text).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

/// Headers of a body of this type.
pub(crate) fn content_type(mut headers: HeaderMap, kind: &'static str) -> HeaderMap {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers
}

/// The headers of a form.
pub(crate) fn form_headers() -> HeaderMap {
    content_type(HeaderMap::new(), "application/x-www-form-urlencoded")
}

/// The body of a form.
pub(crate) fn form(fields: &[(&str, &str)]) -> Bytes {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish().into()
}

/// How far the clock of a server is from this one, for sentences.
pub(crate) fn clock_difference(reply: &Reply, now: Timestamp) -> String {
    reply.clock_ahead(now).map_or_else(
        || "the server does not tell its time".to_owned(),
        |ahead| {
            let seconds = ahead.as_secs();
            let direction = if seconds < 0 { "behind" } else { "ahead of" };
            format!(
                "this clock is {} s {direction} that of the server",
                seconds.unsigned_abs()
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &str) -> Reply {
        Reply {
            server: "Server (host)".to_owned(),
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(header::DATE, HeaderValue::from_static("Thu, 01 Jan 1970 00:10:00 GMT"))]),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn lifetimes_are_read_as_numbers_and_as_text() {
        for (body, seconds) in [
            (r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#, 3599),
            (r#"{"access_token":"t","expires_in":"3599"}"#, 3599),
            (r#"{"access_token":"t"}"#, 300),
            (r#"{"access_token":"t","expires_in":-1}"#, 0),
        ] {
            let token = granted(&reply(body)).unwrap();
            assert_eq!(token.lifetime.as_secs(), seconds, "{body}");
            assert!(
                !format!("{token:?}").contains('t'.to_string().as_str()) || !format!("{token:?}").contains("\"t\"")
            );
        }
        assert!(granted(&reply("<html>")).unwrap_err().sentence.contains("proxy"));
    }

    #[test]
    fn unknown_codes_are_not_repeated() {
        assert_eq!(known_code("invalid_grant"), "invalid_grant");
        assert_eq!(known_code("<script>"), "an unknown code");
    }

    #[test]
    fn a_token_is_not_shown_and_one_with_a_line_break_is_refused() {
        let headers = bearer(&Hidden::new("secret".to_owned())).unwrap();
        assert!(!format!("{headers:?}").contains("secret"));
        assert!(bearer(&Hidden::new("a\r\nb: c".to_owned())).is_err());
    }

    #[test]
    fn the_difference_of_clocks_is_told_in_seconds() {
        let now = Timestamp::from_second(540).unwrap();
        assert_eq!(
            clock_difference(&reply(""), now),
            "this clock is 60 s behind that of the server"
        );
    }
}
