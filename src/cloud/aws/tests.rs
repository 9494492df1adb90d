//! Sources of keys, against a server on loopback with the replies that AWS documents.

use http::Method;

use super::*;
use crate::cloud::scripted::{Answer, Recorded, Scripted, cloud, noon};

const ROLE: &str = "arn:aws:iam::123456789012:role/dns";

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: vec![("date", "Thu, 01 Jan 2026 12:00:00 GMT".to_owned())],
        body: body.to_owned(),
    }
}

/// A reply of STS.
fn assumed(action: &str, id: &str) -> Answer {
    answer(
        200,
        &format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser>\
             <Arn>arn:aws:sts::123456789012:assumed-role/dns/cert-manager</Arn><AssumedRoleId>A:cert-manager</AssumedRoleId>\
             </AssumedRoleUser><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret/{id}</SecretAccessKey>\
             <SessionToken>token/{id}</SessionToken><Expiration>2026-01-01T13:00:00Z</Expiration></Credentials></{action}Result>\
             <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

fn fixed() -> Source {
    Source::Static(Keys {
        id: "AKIA".to_owned(),
        secret: Hidden::new("fixed".to_owned()),
        token: None,
    })
}

fn aws(environment: &[(&str, &str)], source: Source, role: Option<&str>) -> Aws {
    let role = role.map(str::to_owned);
    let sources = Sources {
        source,
        role,
        usage: &ROUTE53,
    };
    Aws::new(&cloud(environment), None, sources).unwrap()
}

async fn call(aws: &Aws) -> Result<Reply, Fault> {
    let (mut url, _) = aws.endpoint("route53").unwrap();
    url.set_path("/zones");
    let action = Action {
        service: "route53",
        name: "ListHostedZonesByName",
        resource: "*",
        method: Method::GET,
        url,
        body: String::new(),
    };
    aws.call(action).await
}

fn signer(request: &Recorded) -> &str {
    let authorization = request.header("authorization").unwrap();
    let (_, rest) = authorization.split_once("Credential=").unwrap();
    rest.split('/').next().unwrap()
}

#[tokio::test]
async fn a_role_is_assumed_once_for_many_calls() {
    let server = Scripted::start(|request| match request.target.as_str() {
        "/" => assumed("AssumeRole", "ASIA"),
        _ => answer(200, "<ok/>"),
    })
    .await;
    let aws = aws(&[("AWS_ENDPOINT_URL", server.url.as_str())], fixed(), Some(ROLE));
    let (one, other) = tokio::join!(call(&aws), call(&aws));
    assert!(one.is_ok() && other.is_ok());
    assert!(call(&aws).await.is_ok());
    let requests = server.requests();
    assert_eq!(server.lines(), ["POST /", "GET /zones", "GET /zones", "GET /zones"]);
    assert_eq!(
        requests[0].body,
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdns&RoleSessionName=cert-manager"
    );
    assert_eq!((signer(&requests[0]), signer(&requests[1])), ("AKIA", "ASIA"));
    assert_eq!(requests[1].header("x-amz-security-token"), Some("token/ASIA"));
    assert!(!format!("{aws:?} {}", aws.credential()).contains("fixed"));
}

#[tokio::test]
async fn a_token_of_a_service_account_is_exchanged_without_a_signature() {
    let server = Scripted::start(|request| match request.target.as_str() {
        "/" => assumed("AssumeRoleWithWebIdentity", "ASIA"),
        _ => answer(200, "<ok/>"),
    })
    .await;
    let source = Source::WebIdentity {
        account: "shop/dns".to_owned(),
        token: Hidden::new("a.b.c".to_owned()),
    };
    let aws = aws(&[("AWS_ENDPOINT_URL", server.url.as_str())], source, Some(ROLE));
    assert!(call(&aws).await.is_ok());
    let requests = server.requests();
    assert!(requests[0].header("authorization").is_none());
    assert!(requests[0].body.starts_with("Action=AssumeRoleWithWebIdentity&"));
    assert!(requests[0].body.ends_with("&WebIdentityToken=a.b.c"));
    assert_eq!(signer(&requests[1]), "ASIA");
}

#[tokio::test]
async fn a_remembered_session_that_is_refused_is_replaced_once() {
    let server = Scripted::start(|request| match request.target.as_str() {
        "/" => assumed(
            "AssumeRole",
            if request.header("x-first").is_none() {
                "ASIA"
            } else {
                "OTHER"
            },
        ),
        _ => answer(
            403,
            &error("ExpiredToken", "The security token included in the request is expired"),
        ),
    })
    .await;
    let aws = aws(&[("AWS_ENDPOINT_URL", server.url.as_str())], fixed(), Some(ROLE));
    let fault = call(&aws).await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Credential && fault.sentence.contains("has expired"),
        "{fault:?}"
    );
    assert_eq!(server.lines(), ["POST /", "GET /zones"]);
    let (keys, remembered) = aws.keys().await.unwrap();
    assert!(!remembered && keys.id == "ASIA");
    assert!(call(&aws).await.is_err());
    assert_eq!(server.lines()[2..], ["POST /", "GET /zones", "POST /", "GET /zones"]);
}

#[tokio::test]
async fn ambient_keys_come_from_the_environment_first() {
    let server = Scripted::start(|_| answer(200, "<ok/>")).await;
    let environment = [
        ("AWS_ENDPOINT_URL", server.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAENV"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "t"),
        ("AWS_REGION", "cn-north-1"),
    ];
    let aws = aws(&environment, Source::Ambient, None);
    assert_eq!(aws.partition(), "aws-cn");
    assert!(call(&aws).await.is_ok());
    let requests = server.requests();
    assert_eq!(signer(&requests[0]), "AKIAENV");
    assert!(
        requests[0]
            .header("authorization")
            .unwrap()
            .contains("/cn-northwest-1/route53/")
    );
    assert_eq!(requests[0].header("x-amz-security-token"), Some("t"));
}

#[tokio::test]
async fn ambient_keys_come_from_a_token_file_and_its_role() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a.b.c\n").unwrap();
    let server = Scripted::start(|_| assumed("AssumeRoleWithWebIdentity", "ASIA")).await;
    let environment = [
        ("AWS_ENDPOINT_URL", server.url.as_str()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AWS_ROLE_SESSION_NAME", "pod"),
    ];
    let (keys, _) = aws(&environment, Source::Ambient, None).keys().await.unwrap();
    assert_eq!(keys.id, "ASIA");
    let body = &server.requests()[0].body;
    assert!(
        body.contains("RoleSessionName=pod") && body.ends_with("WebIdentityToken=a.b.c"),
        "{body}"
    );
}

#[tokio::test]
async fn ambient_keys_come_from_the_agent_of_the_container() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "pod token\n").unwrap();
    let session = r#"{"AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T18:00:00Z","AccountId":"1"}"#;
    let server = Scripted::start(|_| answer(200, session)).await;
    let uri = format!("{}v1/credentials", server.url);
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.path().to_str().unwrap()),
    ];
    let aws = aws(&environment, Source::Ambient, None);
    let (keys, remembered) = aws.keys().await.unwrap();
    assert!(keys.id == "ASIA" && keys.token.is_some() && !remembered);
    assert!(aws.keys().await.unwrap().1);
    let requests = server.requests();
    assert_eq!(server.lines(), ["GET /v1/credentials"]);
    assert_eq!(requests[0].header("authorization"), Some("pod token"));
}

#[tokio::test]
async fn ambient_keys_may_be_nowhere() {
    let aws = aws(&[("AWS_EC2_METADATA_DISABLED", "true")], Source::Ambient, None);
    let fault = aws.keys().await.unwrap_err();
    assert!(
        fault.kind == FaultKind::Credential && fault.sentence.contains("no AWS credentials"),
        "{fault:?}"
    );
}

#[tokio::test]
async fn what_aws_refuses_is_one_sentence_with_what_to_do() {
    let limited = noon() + jiff::SignedDuration::from_mins(1);
    for (status, code, message, kind, words) in [
        (
            403,
            "AccessDenied",
            "User: x is not authorized",
            FaultKind::Right,
            "allow route53:ListHostedZonesByName on *",
        ),
        (
            403,
            "InvalidClientTokenId",
            "m",
            FaultKind::Credential,
            "does not exist or is not active",
        ),
        (
            403,
            "UnrecognizedClientException",
            "m",
            FaultKind::Credential,
            "does not exist or is not active",
        ),
        (
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated",
            FaultKind::Credential,
            "does not belong to the access key",
        ),
        (
            403,
            "SignatureDoesNotMatch",
            "Signature expired: 20260101T110000Z is now earlier than",
            FaultKind::Clock,
            "0 seconds ahead",
        ),
        (
            403,
            "RequestTimeTooSkewed",
            "m",
            FaultKind::Clock,
            "synchronize the clock",
        ),
        (400, "RequestExpired", "m", FaultKind::Clock, "synchronize the clock"),
        (403, "ExpiredToken", "m", FaultKind::Credential, "has expired"),
        (
            400,
            "Throttling",
            "Rate exceeded",
            FaultKind::Limited(limited),
            "limits the number of calls",
        ),
        (
            400,
            "PriorRequestNotComplete",
            "m",
            FaultKind::Limited(limited),
            "limits the number of calls",
        ),
        (503, "ServiceUnavailable", "m", FaultKind::Unreachable, "answered 503"),
        (400, "InvalidInput", "secret text", FaultKind::Other, "answered 400"),
    ] {
        let server = Scripted::start(move |_| answer(status, &error(code, message))).await;
        let aws = aws(&[("AWS_ENDPOINT_URL", server.url.as_str())], fixed(), None);
        let fault = call(&aws).await.unwrap_err();
        assert!(
            fault.kind == kind && fault.sentence.contains(words),
            "{code}: {fault:?}"
        );
        assert!(!fault.sentence.contains(message) || message == "m", "{fault:?}");
        assert_eq!(server.lines().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_names_both_policies() {
    let server = Scripted::start(|_| answer(403, &error("AccessDenied", "not authorized"))).await;
    let aws = aws(&[("AWS_ENDPOINT_URL", server.url.as_str())], fixed(), Some(ROLE));
    let fault = call(&aws).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Credential);
    assert!(
        fault.sentence.contains(&format!("sts:AssumeRole on {ROLE}")) && fault.sentence.contains("trust policy"),
        "{fault:?}"
    );
}

#[test]
fn the_region_of_an_issuer_cannot_lead_ambient_credentials_elsewhere() {
    let cloud = cloud(&[("AWS_REGION", "eu-west-1")]);
    let of = |source, region| {
        let sources = Sources {
            source,
            role: None,
            usage: &ROUTE53,
        };
        let made = Aws::new(&cloud, Some(region), sources)?;
        Ok::<_, Fault>(made.endpoint("sts")?.0.to_string())
    };
    assert_eq!(
        of(Source::Ambient, "x.example/").unwrap(),
        "https://sts.eu-west-1.amazonaws.com/"
    );
    assert_eq!(
        of(fixed(), "us-east-2").unwrap(),
        "https://sts.us-east-2.amazonaws.com/"
    );
    assert!(of(fixed(), "x.example/").is_err());
}
