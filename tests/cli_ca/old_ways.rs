//! The old ways, done with the same files: cfssl's and openssl's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::Place;

#[test]
fn the_cfssl_way_gives_the_same_four_files_from_the_same_input() {
    let (theirs, ours) = (Place::with_cfssl_files(), Place::with_cfssl_files());
    theirs.cfssl("gencert -initca ca-csr.json", "ca");
    theirs.cfssl(
        "gencert -ca=ca.pem -ca-key=ca-key.pem -config=ca-config.json -profile=kubernetes example.ctnrs.com-csr.json",
        "example.ctnrs.com",
    );
    ours.certlet("ca init ca-csr.json");
    ours.certlet("ca issue --config ca-config.json --profile kubernetes example.ctnrs.com-csr.json");

    let without_csr: BTreeSet<String> = theirs
        .files()
        .into_iter()
        .filter(|name| Path::new(name).extension().is_none_or(|ending| ending != "csr"))
        .collect();
    assert_eq!(ours.files(), without_csr);
    for (certificate, key) in [
        ("ca.pem", "ca-key.pem"),
        ("example.ctnrs.com.pem", "example.ctnrs.com-key.pem"),
    ] {
        assert_eq!(ours.facts(certificate), theirs.facts(certificate));
        assert_eq!(ours.lifetime(certificate), theirs.lifetime(certificate));
        assert_eq!(ours.text(key).lines().next(), theirs.text(key).lines().next());
        assert_eq!((ours.mode(key), ours.mode(certificate)), (0o600, 0o644));
        assert_eq!(
            ours.openssl(&format!("pkey -in {key} -pubout")),
            ours.openssl(&format!("x509 -in {certificate} -noout -pubkey"))
        );
    }
    ours.openssl(
        "verify -x509_strict -purpose sslserver -verify_hostname a.ctnrs.com -CAfile ca.pem example.ctnrs.com.pem",
    );
}

#[test]
fn profiles_are_understood_as_cfssl_understands_them() {
    let place = Place::with_cfssl_files();
    place.cfssl("gencert -initca ca-csr.json", "ca");
    for (name, csr) in [
        (
            "ec",
            r#"{"CN": "ec", "hosts": ["ec.example"], "key": {"algo": "ecdsa", "size": 384}}"#,
        ),
        ("bare", r#"{"CN": "bare"}"#),
        ("nobody", r#"{"hosts": ["nobody.example", "127.0.0.1"]}"#),
    ] {
        fs::write(place.path().join(format!("{name}.json")), csr).unwrap();
        for (profile, config) in [
            ("", ""),
            ("-profile=kubernetes", "-config=ca-config.json"),
            ("-profile=sub", "-config=ca-config.json"),
        ] {
            place.cfssl(
                &format!("gencert -ca=ca.pem -ca-key=ca-key.pem {config} {profile} {name}.json"),
                "theirs",
            );
            let flags = format!("{config} {profile}")
                .replace("-config=", "--config ")
                .replace("-profile=", "--profile ");
            place.certlet(&format!("ca issue {flags} {name}.json --out ours --force"));
            assert_eq!(place.facts("ours.pem"), place.facts("theirs.pem"), "{name} {profile}");
            assert_eq!(
                place.lifetime("ours.pem"),
                place.lifetime("theirs.pem"),
                "{name} {profile}"
            );
        }
    }
}

#[test]
fn the_openssl_way_gives_the_same_two_files_and_the_secret_of_kubectl() {
    let (theirs, ours) = (Place::new(), Place::new());
    theirs.openssl(
        "req -x509 -sha256 -nodes -days 365 -newkey rsa:2048 -keyout tls.key -out tls.crt -subj /CN=nginxsvc/O=nginxsvc -utf8",
    );
    let command = "ca issue --self-signed --name nginxsvc --organization nginxsvc --key rsa-2048 --days 365 --cert-file tls.crt --key-file tls.key";
    ours.certlet(command);
    assert_eq!(ours.files(), theirs.files());
    let subject = |place: &Place| -> BTreeSet<String> {
        let text = place.openssl("x509 -in tls.crt -noout -subject -nameopt multiline");
        text.lines().map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(subject(&ours), subject(&theirs));
    assert_eq!(ours.lifetime("tls.crt"), theirs.lifetime("tls.crt"));
    assert_eq!(ours.mode("tls.key"), 0o600);

    let printed = ours.certlet(&format!(
        "{command} --secret tls-secret -n web --dry-run=client -o yaml"
    ));
    let secret: Value = serde_saphyr::from_str(&printed).unwrap();
    let keys: BTreeSet<&str> = secret.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["apiVersion", "kind", "metadata", "type", "data"]));
    assert_eq!(
        (secret["kind"].as_str(), secret["type"].as_str()),
        (Some("Secret"), Some("kubernetes.io/tls"))
    );
    assert_eq!(
        (
            secret["metadata"]["name"].as_str(),
            secret["metadata"]["namespace"].as_str()
        ),
        (Some("tls-secret"), Some("web"))
    );
    for (key, label) in [
        ("tls.crt", "-----BEGIN CERTIFICATE-----"),
        ("tls.key", "-----BEGIN RSA PRIVATE KEY-----"),
    ] {
        fs::write(ours.path().join("data"), secret["data"][key].as_str().unwrap()).unwrap();
        let decoded = ours.openssl("base64 -d -A -in data");
        assert_eq!(decoded.lines().next(), Some(label));
    }
}
