use super::*;
use crate::{
    cloud::{
        Cloud,
        aws::{Keys, Source, Sources},
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
    let keys = Keys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: Hidden::new("secret".to_owned()),
        token: None,
    };
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
