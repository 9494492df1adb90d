//! Route 53 on loopback, with replies as AWS documents them; and moto, by hand.

use super::*;
use crate::{
    cloud::{
        Cloud,
        aws::{Keys, ROUTE53, Source, Sources},
        scripted::{Answer, Recorded, Scripted, cloud},
    },
    net::ClientSettings,
    pki::hidden::Hidden,
    process::clock,
    solver::dns01::change::{Txt, Wanted},
};

const NAMESPACE: &str = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";
const ONE: &str = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM";
const TWO: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";

fn txt(name: &str, value: &str) -> Txt {
    Txt {
        name: name.to_owned(),
        value: value.to_owned(),
        identifier: "a.example.com".to_owned(),
    }
}

fn xml(status: u16, body: String) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body,
    }
}

/// Name, identifier, and whether the zone is private.
type ZoneRow = (&'static str, &'static str, bool);

/// A page of zones.
fn page(zones: &[ZoneRow], next: Option<&str>) -> Answer {
    let zones: Vec<String> = zones
        .iter()
        .map(|(name, id, private)| {
            format!(
                "<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}.</Name><CallerReference>r</CallerReference><Config><Comment>c</Comment>\
                 <PrivateZone>{private}</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone>"
            )
        })
        .collect();
    let zones = zones.concat();
    let next = next.map_or_else(
        || "<IsTruncated>false</IsTruncated>".to_owned(),
        |name| format!("<IsTruncated>true</IsTruncated><NextDNSName>{name}.</NextDNSName><NextHostedZoneId>ZN</NextHostedZoneId>"),
    );
    xml(
        200,
        format!(
            "<?xml version=\"1.0\"?>\n<ListHostedZonesByNameResponse {NAMESPACE}><HostedZones>{zones}</HostedZones><DNSName>x.</DNSName>\
             {next}<MaxItems>100</MaxItems></ListHostedZonesByNameResponse>"
        ),
    )
}

fn changed(status: &str) -> Answer {
    xml(
        200,
        format!(
            "<?xml version=\"1.0\"?>\n<ChangeResourceRecordSetsResponse {NAMESPACE}><ChangeInfo><Id>/change/C2682N5HXP0BZ4</Id>\
             <Status>{status}</Status><SubmittedAt>2026-01-01T12:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
        ),
    )
}

fn failed(status: u16, code: &str, message: &str) -> Answer {
    xml(
        status,
        format!(
            "<?xml version=\"1.0\"?>\n<ErrorResponse {NAMESPACE}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
             </Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn absent(value: &str) -> String {
    format!(
        "Tried to delete resource record set [name=&apos;_acme-challenge.a.example.com.&apos;, type=&apos;TXT&apos;, set \
         identifier=&apos;&quot;{value}&quot;&apos;] but it was not found"
    )
}

async fn zones(
    zone_id: Option<&str>,
    answer: impl Fn(&Recorded) -> Answer + Clone + Send + Sync + 'static,
) -> (Zones, Scripted) {
    let server = Scripted::start(answer).await;
    let cloud = cloud(&[("AWS_ENDPOINT_URL", server.url.as_str())]);
    (
        Zones::new(account(&cloud, "AKIDEXAMPLE", "secret"), zone_id).unwrap(),
        server,
    )
}

fn account(cloud: &Cloud, id: &str, secret: &str) -> Aws {
    let source = Source::Static(Keys {
        id: id.to_owned(),
        secret: Hidden::new(secret.to_owned()),
        token: None,
    });
    let sources = Sources {
        source,
        role: None,
        usage: &ROUTE53,
    };
    Aws::new(cloud, None, sources).unwrap()
}

const NAME: &str = "_acme-challenge.a.example.com";

fn both(wanted: Wanted) -> Change {
    let mut change = Change::of(txt(NAME, ONE), wanted);
    change.insert(txt(NAME, TWO), wanted);
    change
}

/// What cert-manager 1.21 sends for one record, through its SDK; the order of elements is that of AWS's schema.
#[test]
fn a_record_is_written_as_cert_manager_writes_it() {
    let body = wire::batch(&Change::of(txt(NAME, "v<1"), Wanted::Present));
    let record = "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>_acme-challenge.a.example.com.</Name><Type>TXT</Type>\
                  <SetIdentifier>&quot;v&lt;1&quot;</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer><TTL>10</TTL><ResourceRecords>\
                  <ResourceRecord><Value>&quot;v&lt;1&quot;</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>";
    assert!(body.contains(record), "{body}");
}

#[tokio::test]
async fn the_longest_public_zone_is_found_with_one_call_for_all_names_below_it() {
    let (zones, server) = zones(None, |_| {
        page(
            &[
                ("example.com", "Z1", false),
                ("a.example.com", "ZP", true),
                ("b.example.com", "Z2", false),
                ("c.b.example.com", "Z3", false),
            ],
            None,
        )
    })
    .await;
    for (name, zone) in [
        ("_acme-challenge.a.example.com", "example.com"),
        ("_acme-challenge.x.b.example.com", "b.example.com"),
        ("_acme-challenge.c.b.example.com", "c.b.example.com"),
        ("_acme-challenge.xb.example.com", "example.com"),
    ] {
        assert_eq!(zones.zone(name).await, Ok(Some(zone.to_owned())));
    }
    assert_eq!(
        server.lines(),
        ["GET /2013-04-01/hostedzonesbyname?dnsname=example.com&maxitems=100"]
    );
}

#[tokio::test]
async fn parents_that_a_page_does_not_reach_are_asked_for() {
    let (zones, server) = zones(None, |request| {
        if request.target.contains("dnsname=co.uk&") {
            page(&[("aa.co.uk", "Z1", false)], Some("bb.co.uk"))
        } else {
            page(&[("shop.co.uk", "Z2", false), ("www.shop.co.uk", "Z3", false)], None)
        }
    })
    .await;
    let found = zones.zone("_acme-challenge.www.shop.co.uk").await;
    assert_eq!(found, Ok(Some("www.shop.co.uk".to_owned())));
    assert_eq!(server.lines().len(), 2);
    assert!(server.lines()[1].contains("dnsname=shop.co.uk&"));
}

#[tokio::test]
async fn a_name_without_a_zone_is_asked_for_again_later() {
    let (zones, server) = zones(None, |_| page(&[("example.net", "Z1", false)], None)).await;
    for _ in 0..2 {
        let fault = zones.zone(NAME).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NoZone);
        assert!(
            fault.sentence.contains("asked for example.com, a.example.com"),
            "{fault:?}"
        );
    }
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn two_values_are_one_batch_and_the_receipt_is_the_change() {
    let (zones, server) = zones(Some("/hostedzone/Z1"), |request| {
        let pending = request.method == "POST";
        changed(if pending { "PENDING" } else { "INSYNC" })
    })
    .await;
    assert_eq!(zones.zone(NAME).await, Ok(None));
    let receipt = zones
        .change("example.com", &both(Wanted::Present))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(receipt, Receipt("C2682N5HXP0BZ4".to_owned()));
    assert_eq!(zones.is_done(&receipt).await, Ok(true));
    assert_eq!(
        server.lines(),
        [
            "POST /2013-04-01/hostedzone/Z1/rrset",
            "GET /2013-04-01/change/C2682N5HXP0BZ4"
        ]
    );
    assert_eq!(server.requests()[0].body.matches("<Action>UPSERT</Action>").count(), 2);
}

#[tokio::test]
async fn a_record_that_is_gone_does_not_hold_up_the_others() {
    for as_document in [true, false] {
        let (zones, server) = zones(Some("Z1"), move |request| {
            if !request.body.contains(ONE) {
                return changed("PENDING");
            }
            if as_document {
                let message = absent(ONE);
                let body = format!("<?xml version=\"1.0\"?>\n<InvalidChangeBatch {NAMESPACE}><Messages><Message>{message}</Message></Messages></InvalidChangeBatch>");
                xml(400, body)
            } else {
                failed(400, "InvalidChangeBatch", &format!("[{}]", absent(ONE)))
            }
        })
        .await;
        let receipt = zones.change("example.com", &both(Wanted::Absent)).await;
        assert!(receipt.unwrap().is_some());
        let last = server.requests().pop().unwrap().body;
        assert!(
            server.lines().len() == 2 && last.contains(TWO) && !last.contains(ONE),
            "{last}"
        );
    }
}

#[tokio::test]
async fn records_that_are_gone_are_removed() {
    let (zones, server) = zones(Some("Z1"), |_| {
        failed(
            400,
            "InvalidChangeBatch",
            &format!("[{}, {}]", absent(ONE), absent(TWO)),
        )
    })
    .await;
    assert_eq!(zones.change("example.com", &both(Wanted::Absent)).await, Ok(None));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn what_route53_refuses_is_one_sentence_with_what_to_do() {
    for (status, code, message, kind, words) in [
        (
            403,
            "AccessDenied",
            "User: arn:aws:iam::1:user/u is not authorized to perform: route53:ChangeResourceRecordSets",
            FaultKind::Right,
            "allow route53:ChangeResourceRecordSets on arn:aws:route53:::hostedzone/Z1",
        ),
        (
            404,
            "NoSuchHostedZone",
            "No hosted zone found with ID: Z1",
            FaultKind::NoZone,
            "correct route53.hostedZoneID",
        ),
        (
            400,
            "InvalidChangeBatch",
            "[RRSet with DNS name _acme-challenge.a.example.com. is not permitted in zone example.net.]",
            FaultKind::NoZone,
            "the name is not in hostedzone/Z1",
        ),
        (
            400,
            "InvalidChangeBatch",
            "[RRSet of type TXT with DNS name x. is not permitted as it conflicts with other records with the same DNS name in zone y.]",
            FaultKind::Conflict,
            "another record has that name",
        ),
        (
            400,
            "InvalidChangeBatch",
            "[other]",
            FaultKind::Conflict,
            "multivalue answer",
        ),
    ] {
        let (zones, server) = zones(Some("Z1"), move |_| failed(status, code, message)).await;
        let fault = zones.change("example.com", &both(Wanted::Present)).await.unwrap_err();
        assert!(fault.kind == kind && fault.sentence.contains(words), "{fault:?}");
        assert!(!fault.sentence.contains(message), "{fault:?}");
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_proxy_that_answers_with_a_page_is_named() {
    for status in [200, 403] {
        let (zones, _server) = zones(None, move |_| xml(status, "<html><body>Login</body></html>".to_owned())).await;
        let fault = zones.zone(NAME).await.unwrap_err();
        assert!(fault.sentence.contains("is there a proxy"), "{fault:?}");
    }
}

#[test]
fn an_identifier_that_is_part_of_another_path_is_refused() {
    let cloud = cloud(&[]);
    for id in ["Z1/../x", "Z1?a", "../change", "Z 1"] {
        let fault = Zones::new(account(&cloud, "A", "s"), Some(id)).unwrap_err();
        assert!(fault.sentence.contains("route53.hostedZoneID"), "{fault:?}");
    }
    assert!(Zones::new(account(&cloud, "A", "s"), Some(" /hostedzone/Z1\n")).is_ok());
}

#[test]
fn another_secret_is_another_credential_and_is_in_no_text() {
    let cloud = cloud(&[]);
    let made = |secret| Zones::new(account(&cloud, "A", secret), None).unwrap();
    let (one, other) = (made("secret one"), made("secret two"));
    assert_ne!(one.credential(), other.credential());
    let text = format!("{one:?} {}", one.credential());
    assert!(!text.contains("secret one"), "{text}");
}

/// Against moto: `AWS_ENDPOINT_URL` names it, it has the zone `certlet.example`, and the environment has keys.
#[tokio::test]
#[ignore = "needs moto at AWS_ENDPOINT_URL"]
async fn records_are_added_and_removed_at_moto() {
    let environment = crate::process::environment::Environment::read().cloud;
    let cloud = Cloud::new(&ClientSettings::default(), environment, clock::now).unwrap();
    let name = "_acme-challenge.a.certlet.example";
    for role in [None, Some("arn:aws:iam::123456789012:role/dns".to_owned())] {
        let sources = Sources {
            source: Source::Ambient,
            role,
            usage: &ROUTE53,
        };
        let zones = Zones::new(Aws::new(&cloud, None, sources).unwrap(), None).unwrap();
        let zone = zones.zone(name).await;
        eprintln!("zone: {zone:?}");
        let zone = zone.ok().flatten().unwrap_or_else(|| "certlet.example".to_owned());
        for wanted in [Wanted::Present, Wanted::Absent, Wanted::Absent] {
            let mut change = Change::of(txt(name, ONE), wanted);
            change.insert(txt(name, TWO), wanted);
            let receipt = zones.change(&zone, &change).await;
            eprintln!("{wanted:?}: {receipt:?}");
            if let Ok(Some(receipt)) = receipt {
                eprintln!("done: {:?}", zones.is_done(&receipt).await);
            }
        }
    }
}
