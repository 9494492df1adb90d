//! A proof of identity for another server: a signed call of STS that the other server makes (ISS-10).

use std::collections::BTreeMap;

use http::{HeaderMap, Method, header};

use super::{Aws, Fault, FaultKind, sign, source, unsignable};
use crate::pki::hidden::Hidden;

/// What identifies the caller.
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A signed call of `GetCallerIdentity` by `POST`. It is valid for 15 minutes.
#[derive(Debug)]
pub(crate) struct CallerIdentity {
    /// The URL.
    pub url: String,
    /// The headers in JSON: lists of values by name.
    pub headers: Hidden<String>,
    /// The body.
    pub body: &'static str,
}

impl Aws {
    /// Signs a call of STS in this region, at AWS's own server: what the other side puts in its place is its matter, not that of
    /// `AWS_ENDPOINT_URL`. `server_id` is signed as `X-Vault-AWS-IAM-Server-ID`, so that the proof is good for one Vault. With `fresh`,
    /// no remembered session signs.
    ///
    /// # Errors
    /// If there are no keys.
    pub(crate) async fn caller_identity(&self, server_id: Option<&str>, fresh: bool) -> Result<CallerIdentity, Fault> {
        if fresh {
            self.cloud.memo.forget(&self.credential(), source::KEYS);
        }
        let (url, region) = self.region.endpoint("sts", None)?;
        let (keys, _) = self.keys().await?;
        let mut more = vec![("content-type", FORM)];
        more.extend(server_id.map(|id| ("x-vault-aws-iam-server-id", id)));
        let signed = sign::Signed {
            method: &Method::POST,
            url: &url,
            body: BODY.as_bytes(),
            region,
            service: "sts",
            more: &more,
        };
        let mut headers = sign::headers(&signed, &keys, (self.cloud.now)()).ok_or_else(unsignable)?;
        for (name, value) in more {
            let value = header::HeaderValue::from_str(value).map_err(|_| {
                let sentence = "vault.auth.aws.vaultHeaderValue has characters that a header cannot have";
                Fault::new(FaultKind::Other, sentence)
            })?;
            headers.insert(name, value);
        }
        Ok(CallerIdentity {
            url: url.to_string(),
            headers: Hidden::new(json(&headers).ok_or_else(unsignable)?),
            body: BODY,
        })
    }
}

/// Headers as Go writes them.
fn json(headers: &HeaderMap) -> Option<String> {
    let mut lists: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, value) in headers {
        let words: Vec<String> = name.as_str().split('-').map(capitalised).collect();
        lists.entry(words.join("-")).or_default().push(value.to_str().ok()?);
    }
    serde_json::to_string(&lists).ok()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::{
        cloud::{
            aws::{Aws, Keys, Source, Sources, VAULT},
            scripted::cloud,
        },
        pki::hidden::Hidden,
    };

    fn aws(token: Option<&str>, region: Option<&str>) -> Aws {
        let sources = Sources {
            source: Source::Static(Keys {
                id: "AKIDEXAMPLE".to_owned(),
                secret: Hidden::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
                token: token.map(|token| Hidden::new(token.to_owned())),
            }),
            role: None,
            usage: &VAULT,
        };
        let cloud = cloud(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9/")]);
        Aws::new(&cloud, region, sources).unwrap()
    }

    /// Recorded from `SigV4Auth` of botocore 1.44.8 with the same keys, headers and time.
    #[tokio::test]
    async fn a_proof_is_signed_as_botocore_signs_it() {
        for (token, region, server_id, url, names, signature) in [
            (
                None,
                None,
                None,
                "https://sts.us-east-1.amazonaws.com/",
                "content-type;host;x-amz-date",
                "74561a1cb8bd4a08275233fc86067376b83e158cc44d226111e2bd0faff3998b",
            ),
            (
                Some("TOKEN=="),
                Some("eu-central-1"),
                Some("vault.example.com"),
                "https://sts.eu-central-1.amazonaws.com/",
                "content-type;host;x-amz-date;x-amz-security-token;x-vault-aws-iam-server-id",
                "096203e1b32d8a138ff5da31855f9c5336358ed741eba1469d8c30c655dc370a",
            ),
            (
                None,
                Some("cn-north-1"),
                Some("  a   b "),
                "https://sts.cn-north-1.amazonaws.com.cn/",
                "content-type;host;x-amz-date;x-vault-aws-iam-server-id",
                "89a4f803d7b9841f0af9acd2ff7003c531052d46f3a46f427800d8f24e4b38b7",
            ),
        ] {
            let proof = aws(token, region).caller_identity(server_id, false).await.unwrap();
            assert_eq!(proof.url, url);
            let headers: Value = serde_json::from_str(proof.headers.expose()).unwrap();
            assert_eq!(headers["X-Amz-Date"][0], "20260101T120000Z");
            let authorization = headers["Authorization"][0].as_str().unwrap();
            assert!(
                authorization.contains(&format!("SignedHeaders={names},")),
                "{authorization}"
            );
            assert!(authorization.ends_with(signature), "{url}: {authorization}");
            assert_eq!(headers.get("X-Vault-Aws-Iam-Server-Id").is_some(), server_id.is_some());
        }
    }

    #[tokio::test]
    async fn what_no_header_can_have_is_named() {
        let fault = aws(None, None).caller_identity(Some("a\nb"), false).await.unwrap_err();
        assert!(fault.sentence.contains("vaultHeaderValue"), "{fault:?}");
        assert!(!format!("{:?}", aws(None, None).caller_identity(None, false).await).contains("Signature"));
    }
}
