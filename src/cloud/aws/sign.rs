//! AWS Signature Version 4, with the signature in the header `Authorization`.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jiff::Timestamp;
use reqwest::Url;

use super::Keys;
use crate::cloud::hex;

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
    /// Headers that are signed besides `host` and those of the signature: names in lower case.
    pub(super) more: &'a [(&'static str, &'a str)],
}

/// The headers that sign a request at this time. `None` if a key contains what a header cannot.
pub(super) fn headers(request: &Signed<'_>, keys: &Keys, now: Timestamp) -> Option<HeaderMap> {
    let Signed {
        method,
        url,
        body,
        region,
        service,
        more,
    } = request;
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = now.strftime("%Y%m%d").to_string();
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let token = keys.token.as_ref().map(|token| token.expose().as_str());
    let mut signed = vec![("host", host.as_str()), ("x-amz-date", &time)];
    signed.extend(token.map(|token| ("x-amz-security-token", token)));
    signed.extend_from_slice(more);
    signed.sort_unstable();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let canonical: String = signed.iter().fold(String::new(), |mut text, (name, value)| {
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let _ignored = writeln!(text, "{name}:{}", words.join(" "));
        text
    });
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

    const NOON: &str = "2015-08-30T12:36:00Z";

    fn keys(token: Option<&str>) -> Keys {
        Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Hidden::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            token: token.map(|token| Hidden::new(token.to_owned())),
        }
    }

    fn authorization(method: &Method, url: &str, body: &[u8], service: (&str, &str), token: Option<&str>) -> String {
        let signed = Signed {
            method,
            url: &url.parse().unwrap(),
            body,
            service: service.0,
            region: service.1,
            more: &[],
        };
        let headers = headers(&signed, &keys(token), NOON.parse().unwrap()).unwrap();
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert!(!format!("{headers:?}").contains("Signature"), "{headers:?}");
        headers[header::AUTHORIZATION].to_str().unwrap().to_owned()
    }

    /// `get-vanilla`, `get-vanilla-query-order-key-case` and `post-vanilla` of AWS's test suite.
    #[test]
    fn signatures_are_those_of_the_published_vectors() {
        for (method, path, signature) in [
            (
                Method::GET,
                "/",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                Method::GET,
                "/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                Method::POST,
                "/",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ] {
            let url = format!("https://example.amazonaws.com{path}");
            assert_eq!(
                authorization(&method, &url, b"", ("service", "us-east-1"), None),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                )
            );
        }
    }

    /// Recorded from `SigV4Auth` of botocore 1.44.8 with the same keys and time.
    #[test]
    fn calls_with_queries_bodies_and_tokens_are_signed_as_botocore_signs_them() {
        for (method, url, body, service, token, signature) in [
            (
                Method::GET,
                "https://route53.amazonaws.com/2013-04-01/hostedzonesbyname?dnsname=example.com&maxitems=100",
                "",
                ("route53", "us-east-1"),
                None,
                "38568a8b7c07011328b9ea6297bc88eebfd11a307c763baf011a6aa74b700b50",
            ),
            (
                Method::GET,
                "https://example.amazonaws.com/a%20b/c?q=a%2Bb%2F%2A&e=",
                "",
                ("service", "us-east-1"),
                None,
                "81ff47783259f45e7ed1f3097f73a7e3209d68df0804dacaff22f7760ccae206",
            ),
            (
                Method::POST,
                "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset",
                "<a/>",
                ("route53", "us-east-1"),
                Some("TOKEN=="),
                "761c5a5d00f165cc342ec7e8196e31fa3a9a4ddd28f6de1c61d719794b1f1249",
            ),
            (
                Method::POST,
                "http://127.0.0.1:5000/",
                "Action=AssumeRole&Version=2011-06-15",
                ("sts", "eu-central-1"),
                Some("TOKEN=="),
                "ecba02bedbe481a75cc04cf3c47d58470ceca9db6c7238c6cc9075bc4752f7e9",
            ),
        ] {
            let authorization = authorization(&method, url, body.as_bytes(), service, token);
            assert!(authorization.ends_with(signature), "{url}: {authorization}");
            assert_eq!(authorization.contains(";x-amz-security-token"), token.is_some());
        }
    }
}
