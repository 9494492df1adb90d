//! AWS Signature Version 4, with the signature in the header `Authorization`.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use reqwest::Url;

use super::Keys;

/// What is signed.
pub(super) struct Signed<'a> {
    /// The method.
    pub(super) method: &'a Method,
    /// The URL.
    pub(super) url: &'a Url,
    /// The body.
    pub(super) body: &'a [u8],
    /// The region of the signature.
    pub(super) region: &'a str,
    /// The service of the signature.
    pub(super) service: &'a str,
}

/// The headers that sign a request at this time. `None` if a key contains what a header cannot.
pub(super) fn headers(request: &Signed<'_>, keys: &Keys, now: Timestamp) -> Option<HeaderMap> {
    let Signed {
        method,
        url,
        body,
        region,
        service,
    } = request;
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = now.strftime("%Y%m%d").to_string();
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let token = keys.token.as_ref().map(|token| token.expose().as_str());
    let mut names = "host;x-amz-date".to_owned();
    let mut canonical = format!("host:{host}\nx-amz-date:{time}\n");
    if let Some(token) = token {
        names.push_str(";x-amz-security-token");
        let _ignored = writeln!(canonical, "x-amz-security-token:{token}");
    }
    let path: Vec<String> = url.path().split('/').map(encoded).collect();
    let mut query: Vec<(String, String)> = url
        .query_pairs()
        .map(|(key, value)| (encoded(&key), encoded(&value)))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let request = format!(
        "{method}\n{}\n{}\n{canonical}\n{names}\n{}",
        path.join("/"),
        query.join("&"),
        hex(digest::digest(&digest::SHA256, body).as_ref())
    );
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let hash = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let first = format!("AWS4{}", keys.secret.expose());
    let mut key = mac(first.as_bytes(), &date);
    for part in [region, service, "aws4_request"] {
        key = mac(key.as_ref(), part);
    }
    let signature = hex(mac(key.as_ref(), &text).as_ref());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.id
    );
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("x-amz-date"),
        HeaderValue::from_str(&time).ok()?,
    );
    headers.insert(header::AUTHORIZATION, sensitive(&authorization)?);
    if let Some(token) = token {
        headers.insert(HeaderName::from_static("x-amz-security-token"), sensitive(token)?);
    }
    Some(headers)
}

/// A header that is not printed.
pub(super) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// Bytes in lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ignored = write!(text, "{byte:02x}");
        text
    })
}

/// Percent-encoded except for the unreserved characters of RFC 3986.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ignored = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::hidden::Hidden;

    /// The first three are `get-vanilla`, `get-vanilla-query-order-key-case` and `post-vanilla` of AWS's test suite; botocore 1.44.8 made the
    /// same signatures, and those of the others.
    #[test]
    fn signatures_are_those_of_awss_own_tools() {
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let vectors = [
            (
                Method::GET,
                "https://example.amazonaws.com/",
                "",
                ("us-east-1", "service"),
                None,
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                Method::GET,
                "https://example.amazonaws.com/?Param2=value2&Param1=value1",
                "",
                ("us-east-1", "service"),
                None,
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                Method::POST,
                "https://example.amazonaws.com/",
                "",
                ("us-east-1", "service"),
                None,
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Method::GET,
                "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset?name=_acme-challenge.a.example&type=TXT&identifier=%22v-1_2%22&maxitems=1",
                "",
                ("us-east-1", "route53"),
                None,
                "b1ad3181b9cfaa50798ce308eae5574f6e8e5f72258c9ecddf78e31dcf8a6b7e",
            ),
            (
                Method::POST,
                "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset/",
                "<a/>",
                ("us-east-1", "route53"),
                Some("token/with+signs=="),
                "89b31f28a67d0fd0715bd8505f95f795a0e4e6745c509d9d850a81a582d4529b",
            ),
            (
                Method::POST,
                "https://sts.eu-central-1.amazonaws.com/",
                "Action=AssumeRole",
                ("eu-central-1", "sts"),
                None,
                "b1318ce5ad15f845b1a37dd2f8087c12e2b834ab1bc4d36fb8921c2e70b65ecb",
            ),
        ];
        for (method, url, body, (region, service), token, signature) in vectors {
            let keys = Keys {
                id: "AKIDEXAMPLE".to_owned(),
                secret: Hidden::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
                token: token.map(|token: &str| Hidden::new(token.to_owned())),
            };
            let url = Url::parse(url).unwrap();
            let signed = Signed {
                method: &method,
                url: &url,
                body: body.as_bytes(),
                region,
                service,
            };
            let headers = headers(&signed, &keys, now).unwrap();
            let authorization = headers[header::AUTHORIZATION].to_str().unwrap();
            assert!(authorization.ends_with(signature), "{method} {url}: {authorization}");
        }
    }
}
