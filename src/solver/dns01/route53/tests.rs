use super::*;
use crate::{
    cloud::{
        Cloud,
        aws::{Keys, Source, Sources},
        scripted::{Answer, Recorded, Scripted, cloud},
    },
    net::{AddressPolicy, ClientSettings},
    process::clock,
    solver::dns01::change::Wanted,
};

fn txt(name: &str, value: &str) -> Txt {
    Txt {
        name: name.to_owned(),
        value: value.to_owned(),
        identifier: "a.certlet.example".to_owned(),
    }
}

#[test]
fn a_record_is_written_as_cert_manager_writes_it() {
    let body = wire::batch(&Change::of(txt("_acme-challenge.a.example", "v<1"), Wanted::Present));
    for part in [
        "<Action>UPSERT</Action>",
        "<SetIdentifier>&quot;v&lt;1&quot;</SetIdentifier>",
        "<MultiValueAnswer>true</MultiValueAnswer>",
        "<TTL>10</TTL>",
    ] {
        assert!(body.contains(part), "{body}");
    }
}

#[test]
fn a_zone_contains_whole_labels_only() {
    assert!(contains("a.example", "b.a.example") && contains("a.example", "a.example"));
    assert!(!contains("a.example", "ba.example"));
    assert_eq!(reversed("a.b.example."), "example.b.a");
}

/// Keys, as a Secret has them.
fn keys() -> Keys {
    Keys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Hidden::new("s3cret".to_owned()),
        token: None,
    }
}

/// The zones of an account at this server.
fn account(server: &Scripted, region: &str, zone_id: Option<&str>) -> Zones {
    let cloud = cloud(&[("AWS_ENDPOINT_URL", server.url.as_str())]);
    let sources = Sources {
        source: Source::Static(keys()),
        role: None,
    };
    Zones::new(Aws::new(&cloud, Some(region), sources), zone_id)
}

fn xml(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: vec![
            ("content-type", "text/xml".to_owned()),
            // the time of these tests
            ("date", "Thu, 01 Jan 2026 12:00:00 GMT".to_owned()),
        ],
        body: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"),
    }
}

/// The form of AWS's own answers.
fn aws(request: &Recorded) -> Answer {
    let zone = |name: &str, id: &str, private: bool| {
        format!(
            "<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}.</Name><CallerReference>r</CallerReference><Config><PrivateZone>{private}\
             </PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone>"
        )
    };
    match (request.method.as_str(), request.target.as_str()) {
        ("GET", list) if list.starts_with("/2013-04-01/hostedzonesbyname") => {
            let zones = [
                zone("example.com", "ZOUT", false),
                zone("shop.example.com", "ZIN", false),
                zone("shop.example.com", "ZPRIVATE", true),
                zone("www.shop.example.com", "ZHIDDEN", true),
            ];
            xml(
                200,
                &format!(
                    "<ListHostedZonesByNameResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><HostedZones>{}</HostedZones>\
                     <DNSName>example.com</DNSName><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>",
                    zones.concat()
                ),
            )
        }
        ("GET", change) if change.starts_with("/2013-04-01/change/") => xml(200, &changed("PENDING")),
        ("GET", _) => xml(
            200,
            "<ListResourceRecordSetsResponse><ResourceRecordSets/><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems>\
             </ListResourceRecordSetsResponse>",
        ),
        (_, _) => xml(200, &changed("PENDING")),
    }
}

fn changed(status: &str) -> String {
    format!(
        "<ChangeResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeInfo><Id>/change/C1</Id><Status>{status}\
         </Status><SubmittedAt>2026-01-01T12:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
    )
}

fn error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>secret text of \
         the server</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    xml(status, &body)
}

#[tokio::test]
async fn a_hundred_names_are_one_list_of_zones_and_one_change() {
    let server = Scripted::start(aws).await;
    let zones = account(&server, "eu-central-1", None);
    let names: Vec<String> = (0..100)
        .map(|at| format!("_acme-challenge.a{at}.shop.example.com"))
        .collect();
    let found = futures::future::join_all(names.iter().map(|name| zones.zone(name))).await;
    assert!(
        found
            .iter()
            .all(|zone| *zone == Ok(Some("shop.example.com".to_owned()))),
        "{found:?}"
    );
    let mut change = Change::default();
    for name in &names {
        change.insert(txt(name, "value"), Wanted::Present);
    }
    let receipt = zones.change("shop.example.com", &change).await.unwrap();
    assert_eq!(receipt, Some(Receipt("C1".to_owned())));
    assert_eq!(
        server.lines(),
        [
            "GET /2013-04-01/hostedzonesbyname?dnsname=example.com&maxitems=100",
            "POST /2013-04-01/hostedzone/ZIN/rrset/",
        ]
    );
    let body = server.requests().pop().unwrap().body;
    assert_eq!(body.matches("<Action>UPSERT</Action>").count(), 100);
    assert_eq!(zones.is_done(&Receipt("C1".to_owned())).await, Ok(false), "PENDING");
}

#[tokio::test]
async fn private_zones_count_only_if_they_are_named() {
    let server = Scripted::start(aws).await;
    let zones = account(&server, "", None);
    let name = "_acme-challenge.www.shop.example.com";
    assert_eq!(zones.zone(name).await, Ok(Some("shop.example.com".to_owned())));
    let named = account(&server, "", Some("/hostedzone/ZPRIVATE"));
    assert_eq!(named.zone(name).await, Ok(None), "the DNS tells");
    named
        .change("shop.example.com", &Change::of(txt(name, "v"), Wanted::Present))
        .await
        .unwrap();
    assert_eq!(
        server.lines().pop().unwrap(),
        "POST /2013-04-01/hostedzone/ZPRIVATE/rrset/"
    );
}

#[tokio::test]
async fn a_record_that_is_gone_does_not_hold_up_the_removal_of_others() {
    let server = Scripted::start(|request: &Recorded| {
        if request.body.contains("gone") {
            return xml(
                400,
                "<InvalidChangeBatch xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages><Message>Tried to delete resource record \
                 set but it was not found</Message></Messages><RequestId>1</RequestId></InvalidChangeBatch>",
            );
        }
        if request.target.contains("there") {
            return xml(
                200,
                "<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet><Name>_acme-challenge.a.shop.example.com.</Name><Type>TXT\
                 </Type><SetIdentifier>&quot;there&quot;</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer></ResourceRecordSet>\
                 </ResourceRecordSets></ListResourceRecordSetsResponse>",
            );
        }
        aws(request)
    })
    .await;
    let zones = account(&server, "", Some("ZIN"));
    let mut change = Change::default();
    for value in ["gone", "there"] {
        change.insert(txt("_acme-challenge.a.shop.example.com", value), Wanted::Absent);
    }
    zones.change("shop.example.com", &change).await.unwrap();
    let last = server.requests().pop().unwrap().body;
    assert!(last.contains("there") && !last.contains("gone"), "{last}");
    let gone = Change::of(txt("_acme-challenge.a.shop.example.com", "gone"), Wanted::Absent);
    assert_eq!(zones.change("shop.example.com", &gone).await, Ok(None));
}

#[tokio::test]
async fn each_fault_names_the_right_or_the_remedy_and_repeats_nothing_of_the_server() {
    let change = Change::of(txt("_acme-challenge.a.shop.example.com", "v"), Wanted::Present);
    for (status, code, kind, words) in [
        (
            403,
            "AccessDenied",
            FaultKind::Right,
            "allow route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/ZIN",
        ),
        (403, "InvalidClientTokenId", FaultKind::Credential, "does not exist"),
        (403, "SignatureDoesNotMatch", FaultKind::Credential, "does not belong"),
        (403, "RequestExpired", FaultKind::Clock, "clocks"),
        (404, "NoSuchHostedZone", FaultKind::NoZone, "hostedZoneID"),
        (400, "SomethingNew", FaultKind::Other, "400"),
    ] {
        let server = Scripted::start(move |_: &Recorded| error(status, code)).await;
        let zones = account(&server, "", Some("ZIN"));
        let fault = zones.change("shop.example.com", &change).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(
            !fault.sentence.contains("secret text") && !fault.sentence.contains("s3cret"),
            "{fault:?}"
        );
    }
    let limited = Scripted::start(|_: &Recorded| error(400, "Throttling")).await;
    let fault = account(&limited, "", Some("ZIN"))
        .change("shop.example.com", &change)
        .await
        .unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Limited(_)), "{fault:?}");
}

#[tokio::test]
async fn a_region_cannot_lead_credentials_to_another_server() {
    let server = Scripted::start(aws).await;
    for region in ["eu.attacker.example/", "x@attacker.example", "EU"] {
        let zones = account(&server, region, Some("ZIN"));
        let change = Change::of(txt("_acme-challenge.a.shop.example.com", "v"), Wanted::Present);
        let fault = zones.change("shop.example.com", &change).await.unwrap_err();
        assert!(fault.sentence.contains("is no AWS region"), "{fault:?}");
    }
    assert!(server.lines().is_empty());
}

#[test]
fn another_key_is_another_credential_and_is_in_no_text() {
    let make = |secret: &str| {
        let sources = Sources {
            source: Source::Static(Keys {
                secret: Hidden::new(secret.to_owned()),
                ..keys()
            }),
            role: None,
        };
        Zones::new(Aws::new(&cloud(&[]), None, sources), None)
    };
    let (one, other) = (make("s3cret-one"), make("s3cret-two"));
    assert_ne!(one.credential(), other.credential());
    let text = format!("{one:?} {}", one.credential());
    assert!(!text.contains("s3cret"), "{text}");
}

/// Against moto: `AWS_ENDPOINT_URL` names it, and it has the zone `certlet.example`.
#[tokio::test]
#[ignore = "needs moto at AWS_ENDPOINT_URL"]
async fn records_are_added_and_removed_at_moto() {
    let settings = ClientSettings {
        addresses: AddressPolicy::everything(),
        ..ClientSettings::default()
    };
    let environment = crate::process::environment::Environment::read().cloud;
    let cloud = Cloud::new(&settings, environment, clock::now).unwrap();
    let keys = keys();
    for role in [None, Some("arn:aws:iam::123456789012:role/dns".to_owned())] {
        let sources = Sources {
            source: Source::Static(keys.clone()),
            role,
        };
        let zones = Zones::new(Aws::new(&cloud, None, sources), None);
        let zone = zones.zone("_acme-challenge.a.certlet.example").await.unwrap().unwrap();
        assert_eq!(zone, "certlet.example");
        let record = txt("_acme-challenge.a.certlet.example", "one");
        let receipt = zones
            .change(&zone, &Change::of(record.clone(), Wanted::Present))
            .await
            .unwrap();
        assert!(zones.is_done(&receipt.unwrap()).await.unwrap());
        let id = zones.id(&zone).await.unwrap();
        assert!(zones.is_there(&id, &record).await.unwrap());
        for _again in 0..2 {
            zones
                .change(&zone, &Change::of(record.clone(), Wanted::Absent))
                .await
                .unwrap();
        }
        assert!(!zones.is_there(&id, &record).await.unwrap());
    }
}
