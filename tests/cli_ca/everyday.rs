//! What people do every day with a CA in files, and what they do wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::place::{Place, Server};

#[test]
fn nothing_is_overwritten_unless_told_so() {
    let place = Place::new();
    place.certlet("ca init --name root");
    let before = (place.text("ca.pem"), place.text("ca-key.pem"));
    let said = place.refused("ca init --name other");
    assert!(
        said.contains("ca.pem and ca-key.pem exist already; --force overwrites them"),
        "{said}"
    );
    assert_eq!(before, (place.text("ca.pem"), place.text("ca-key.pem")));
    fs::set_permissions(place.path().join("ca-key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    place.certlet("ca init --name other --force");
    assert_ne!(before.0, place.text("ca.pem"));
    assert_eq!(place.mode("ca-key.pem"), 0o600);
    assert_eq!(place.files().len(), 2);
}

#[test]
fn an_intermediate_signs_requests_that_openssl_made() {
    let place = Place::new();
    place.certlet("ca init --name root --key ecdsa-384");
    place.certlet("ca init --name middle --parent ca.pem --path-length 0 --days 1000 --out middle");
    place.openssl(
        "req -new -newkey rsa:2048 -nodes -keyout k.pem -out web.csr -subj /CN=web -addext subjectAltName=DNS:web.example,IP:10.1.1.1",
    );
    place.certlet("ca sign web.csr --ca middle.pem --profile server --days 30");
    let strict =
        "verify -x509_strict -purpose sslserver -CAfile ca.pem -untrusted middle.pem -verify_hostname web.example";
    place.openssl(&format!("{strict} web.pem"));
    assert_eq!(
        place.text("web.pem").matches("BEGIN CERTIFICATE").count(),
        2,
        "leaf and intermediate, not the root"
    );
    assert!(
        place
            .certlet("ca verify web.pem --host web.example --host 10.1.1.1")
            .contains("good")
    );
    place.certlet("ca sign web.csr --ca middle.pem --host other.example --out other");
    assert!(place.certlet("ca show other.pem").contains("other.example"));
    let said = place.refused("ca init --name below --parent middle.pem --out below");
    assert!(said.contains("path length is 0"), "{said}");
}

#[test]
fn only_the_one_request_of_a_file_is_signed() {
    let place = Place::new();
    place.certlet("ca init --name root");
    let two = include_str!("../data/hostile/two.pem");
    let good = include_str!("../data/hostile/good.csr");
    for (name, content) in [("two.csr", two), ("good.csr", good)] {
        fs::write(place.path().join(name), content).unwrap();
    }
    let said = place.refused("ca sign two.csr");
    assert!(said.contains("-----BEGIN more than once"), "{said}");
    // shown, and what of the file could not be read is a failure
    let said = place.refused("inspect cert two.csr");
    assert!(
        said.contains("its BEGIN does not stand at the beginning of a line"),
        "{said}"
    );
    assert!(said.contains("Not signed") && said.contains("more than once"), "{said}");
    assert!(!place.certlet("inspect cert good.csr").contains("Not signed"));
    // a file may be DER, or come from an editor that begins it with a byte order mark
    place.openssl("req -in good.csr -outform DER -out good.der");
    fs::write(place.path().join("marked.csr"), format!("\u{feff}{good}")).unwrap();
    for file in ["good.csr", "good.der", "marked.csr"] {
        place.certlet(&format!("ca sign {file} --profile server --out out --force"));
        place.openssl("verify -purpose sslserver -verify_hostname good.team-a.example -CAfile ca.pem out.pem");
    }
}

#[test]
fn requests_of_appliances_that_know_no_other_hash_are_signed_with_a_good_one() {
    let place = Place::new();
    place.certlet("ca init --name root");
    for (name, key) in [("iis", "rsa:2048"), ("bmc", "ec -pkeyopt ec_paramgen_curve:P-256")] {
        let asked = format!(
            "req -new -sha1 -newkey {key} -nodes -keyout k.pem -out {name}.csr -subj /CN={name} -addext subjectAltName=DNS:{name}.lab"
        );
        place.openssl(&asked);
        place.certlet(&format!("ca sign {name}.csr --profile server"));
        place.openssl(&format!(
            "verify -x509_strict -purpose sslserver -verify_hostname {name}.lab -CAfile ca.pem {name}.pem"
        ));
        let text = place.openssl(&format!("x509 -in {name}.pem -noout -text"));
        assert!(!text.to_lowercase().contains("sha1"), "{text}");
    }
}

#[test]
fn verify_says_in_plain_words_what_is_wrong() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.certlet("ca issue --host a.example --days 30");
    place.certlet("ca init --name root --out twin");
    place.certlet("ca init --name stranger --out stranger");
    place.certlet("ca issue --self-signed --host self.example");
    for (command, expected) in [
        (
            "ca verify a.example.pem --host b.example",
            "not for b.example, only for a.example",
        ),
        (
            "ca verify a.example.pem --at 2001-01-01T00:00:00Z",
            "is not valid before",
        ),
        ("ca verify a.example.pem --at 2031-01-01T00:00:00Z", "expired on"),
        (
            "ca verify a.example.pem --ca twin.pem",
            "it has the right name, but another key",
        ),
        (
            "ca verify a.example.pem --ca stranger.pem",
            "neither trusted nor among the certificates",
        ),
        ("ca verify self.example.pem", "is self-signed and is not a trusted CA"),
        ("ca verify ca-key.pem", "holds no certificate"),
        ("ca verify nothing.pem", "cannot read nothing.pem"),
    ] {
        let said = place.refused(command);
        assert!(said.contains(expected), "{command}: {said}");
    }
    let verdicts: Value = serde_json::from_str(&place.certlet("ca verify a.example.pem -o json")).unwrap();
    assert_eq!(verdicts[0]["good"], Value::Bool(true));
}

#[test]
fn wrong_input_is_explained() {
    let place = Place::with_cfssl_files();
    place.certlet("ca init --name root");
    place.certlet("ca issue --host leaf.example");
    fs::write(place.path().join("broken.json"), "{\"CN\": }").unwrap();
    fs::write(
        place.path().join("days.json"),
        r#"{"signing": {"default": {"expiry": "90d"}}}"#,
    )
    .unwrap();
    fs::write(
        place.path().join("usage.json"),
        r#"{"signing": {"default": {"usages": ["serve"]}}}"#,
    )
    .unwrap();
    for (command, expected) in [
        ("ca init", "a CA needs a name"),
        ("ca issue", "the certificate has no names"),
        ("ca issue --host https://a.example", "use its host name"),
        ("ca issue --host a.example:443", "without a port"),
        ("ca issue --host müller.example", "xn--"),
        ("ca issue --host a..example", "a label has 1 to 63"),
        (
            "ca issue --host b.example --profile web",
            "there is no profile \"web\"; there are: server, client, peer",
        ),
        (
            "ca issue --host b.example --config ca-config.json --profile web",
            "kubernetes, sub, server, client, peer",
        ),
        ("ca issue --host b.example --ca leaf.example.pem", "is not a CA"),
        (
            "ca issue --host b.example --ca-key leaf.example-key.pem",
            "is not the key of \"CN=root\"",
        ),
        ("ca issue --host b.example --key rsa-1024", "RSA keys have 2048"),
        (
            "ca issue --host b.example --secret Wrong_Name --dry-run=client",
            "cannot be the name of a Secret",
        ),
        ("ca issue --subject CN=a,b", "near character"),
        ("ca issue broken.json", "broken.json cannot be parsed"),
        ("ca issue --host b.example --config days.json", "there is no unit \"d\""),
        (
            "ca issue --host b.example --config usage.json",
            "\"serve\" is no key usage",
        ),
        ("ca sign ca-config.json", "no PEM block was found"),
    ] {
        let said = place.refused(command);
        assert!(said.contains(expected), "{command}: {said}");
    }
    // None of these left anything behind.
    assert!(!place.files().iter().any(|name| name.starts_with("b.example")));
}

#[test]
fn a_leaf_that_outlives_its_ca_is_remarked_upon() {
    let place = Place::new();
    place.certlet("ca init --name root --days 10");
    let output = place.attempt("ca issue --host a.example --days 20");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("but its CA expires on"));
}

#[test]
fn renewing_keeps_names_key_and_trust() {
    let place = Place::with_cfssl_files();
    // A CA that somebody else made, with a key identifier that we would not compute.
    place.cfssl("gencert -initca ca-csr.json", "ca");
    place.certlet("ca issue --host a.example --host 10.0.0.1 --organization O --profile client --days 7");
    let (facts, key) = (place.facts("a.example.pem"), place.text("a.example-key.pem"));
    let said = place.refused("ca renew a.example.pem");
    assert!(
        said.contains("a.example.pem exists already; --force overwrites it"),
        "{said}"
    );
    let serial = |place: &Place| place.openssl("x509 -in a.example.pem -noout -serial");
    let first = serial(&place);
    place.certlet("ca renew a.example.pem --force");
    assert_ne!(first, serial(&place));
    assert_eq!(
        (place.facts("a.example.pem"), place.text("a.example-key.pem")),
        (facts.clone(), key.clone())
    );
    assert_eq!(place.lifetime("a.example.pem"), 7 * 86_400);

    place.certlet("ca renew ca.pem --force --days 9000");
    place.openssl("verify -x509_strict -CAfile ca.pem a.example.pem");
    assert_eq!(place.lifetime("ca.pem"), 9000 * 86_400);

    place.certlet("ca renew a.example.pem --new-key --force");
    assert_eq!(place.facts("a.example.pem"), facts);
    assert_ne!(place.text("a.example-key.pem"), key);
    let said = place.refused("ca renew ca.pem --new-key --force");
    assert!(said.contains("a CA with a new key is another CA"), "{said}");
}

#[test]
fn programs_get_json_and_yaml() {
    let place = Place::new();
    place.certlet("ca init --name root");
    let told: Value =
        serde_json::from_str(&place.certlet("ca issue --host a.example --profile server -o json")).unwrap();
    assert_eq!(told["files"], serde_json::json!(["a.example.pem", "a.example-key.pem"]));
    assert_eq!(told["certificate"]["names"], serde_json::json!(["a.example"]));
    let shown: Value = serde_saphyr::from_str(&place.certlet("inspect cert a.example.pem -o yaml")).unwrap();
    assert_eq!(shown[0]["kind"], "Certificate");
    let serial = place.openssl("x509 -in a.example.pem -noout -serial").to_lowercase();
    assert!(serial.contains(shown[0]["serialNumber"].as_str().unwrap()), "{serial}");
    let key = place.certlet("ca show a.example-key.pem");
    assert!(key.contains("ECDSA 256, PKCS1") && !key.contains("BEGIN"), "{key}");
    let (certificate, hash) = (
        place.certlet("ca show a.example.pem"),
        key.split_whitespace().last().unwrap().to_owned(),
    );
    assert!(certificate.contains(&hash), "{certificate}");
}

#[test]
fn inspect_url_shows_what_a_server_answers_with_and_whether_it_is_accepted() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.certlet("ca issue --host localhost --profile server --days 30");
    let server = Server::start(&place, "localhost.pem", "localhost-key.pem");
    let url = format!("https://localhost:{}/path", server.port);
    let said = place.certlet(&format!("inspect url {url} --ca ca.pem"));
    assert!(
        said.contains("accept it for localhost") && said.contains("CN=localhost"),
        "{said}"
    );
    let said = place.refused(&format!("inspect url {url}"));
    assert!(
        said.contains("clients reject it") && said.contains("CN=localhost"),
        "{said}"
    );
    let said = place.refused(&format!("inspect url {url} --ca ca.pem --server-name other.example"));
    assert!(said.contains("clients reject it"), "{said}");
    drop(server);
    let said = place.refused(&format!("inspect url {url}"));
    assert!(said.contains("cannot connect"), "{said}");
}

#[test]
fn a_secret_without_a_cluster_is_explained() {
    let place = Place::new();
    let said = place.refused("ca issue --self-signed --host a.example --secret a -n web --no-files");
    assert!(said.contains("kubeconfig") || said.contains("cluster"), "{said}");
    assert!(place.files().is_empty(), "{:?}", place.files());
    assert!(!place.refused("inspect secret a -n web").is_empty());
}

#[test]
fn sign_offers_no_secret_because_the_key_is_somebody_elses() {
    let place = Place::new();
    let help = place.certlet("ca sign --help");
    assert!(
        help.contains("--cert-file") && !help.contains("--secret") && !help.contains("--key-file"),
        "{help}"
    );
    let said = place.refused("ca sign a.csr --secret a");
    assert!(said.contains("unexpected argument '--secret'"), "{said}");
    let help = place.certlet("ca issue --help");
    assert!(help.contains("--secret") && help.contains("--key-file"), "{help}");
}

#[test]
fn plan_says_in_its_help_what_its_exit_status_means() {
    let place = Place::new();
    for help in ["plan --help", "plan -h"] {
        let said = place.certlet(help);
        assert!(said.contains("3  there is something to do"), "{said}");
    }
}
