//! What trust-manager wrote for a Bundle, byte for byte (`tests/data/trust`).

use serde_json::json;

use super::{BundleSettings, Circumstances, Content, SourceSeen, TargetKind, collect, parse};
use crate::{pki::keystore::Seed, plan::request::fixture::noon};

const SOURCES: &str = include_str!("../../../tests/data/trust/sources.pem");
const PEM: &str = include_str!("../../../tests/data/trust/ca.crt");
const JKS: &[u8] = include_bytes!("../../../tests/data/trust/ca.jks");
const PKCS12: &[u8] = include_bytes!("../../../tests/data/trust/ca.p12");
/// The annotation `trust.cert-manager.io/hash`.
const DIGEST: &str = "0637430c3500b181ecd4af710e0edd4a659244b63547e9b0833054037d1e96a5";

#[test]
fn every_file_and_the_digest_are_those_of_trust_manager() {
    // the API server sets both passwords
    let spec = json!({
        "sources": [{"inLine": SOURCES}],
        "target": {
            "configMap": {"key": "ca.crt", "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}},
            "additionalFormats": {"jks": {"key": "ca.jks", "password": "changeit"}, "pkcs12": {"key": "ca.p12", "password": ""}},
        },
    });
    let parsed = parse("b1", &serde_json::from_value(spec).unwrap()).unwrap();
    let circumstances = Circumstances {
        package: None,
        settings: &BundleSettings::default(),
    };
    let collected = collect(noon(), &parsed, &[SourceSeen::InSpec], circumstances).unwrap();
    let content = Content::new(&parsed, &std::sync::Arc::new(collected.pool));
    let formats = content.formats(&Seed([3; 32])).unwrap();
    let files = content.files(TargetKind::ConfigMap, &formats);
    assert_eq!(files.text["ca.crt"], PEM);
    assert!(
        files.bytes["ca.jks"] == JKS,
        "{:?}",
        String::from_utf8_lossy(&files.bytes["ca.jks"])
    );
    assert!(files.bytes["ca.p12"] == PKCS12, "{:?}", files.bytes["ca.p12"]);
    assert_eq!(content.hash(TargetKind::ConfigMap), DIGEST);
}
