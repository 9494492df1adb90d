//! Files that are read: byte order marks, damaged blocks, text between, large bundles, encrypted keys. `ca verify` never speaks of another
//! certificate than the one it was given.

use std::fs;
use std::path::Path;

use crate::place::Place;

const MARK: &[u8] = b"\xef\xbb\xbf";
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A root, a CA below it, and a leaf below that with its chain in `a.example.pem`.
fn chain() -> Place {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.certlet("ca init --name issuing --parent ca.pem --out sub");
    place.certlet("ca issue --host a.example --ca sub.pem");
    place
}

fn bytes(place: &Place, name: &str) -> Vec<u8> {
    fs::read(place.path().join(name)).unwrap()
}

fn utf16(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    let place = chain();
    let issuing = bytes(&place, "sub.pem");
    place.put("root.pem", bytes(&place, "ca.pem"));
    place.put("issuing.pem", &issuing);
    for name in ["ca.pem", "sub.pem", "sub-key.pem", "a.example.pem", "a.example-key.pem"] {
        place.put(name, [MARK, &bytes(&place, name)].concat());
    }
    let said = place.certlet("ca verify a.example.pem --host a.example");
    assert!(said.contains("good  CN=a.example"), "{said}");
    let shown = place.certlet("ca show a.example.pem");
    assert_eq!(shown.matches("CERTIFICATE  ").count(), 2, "{shown}");
    place.put(
        "b-csr.json",
        [MARK, b"{\"CN\":\"bom\",\"hosts\":[\"b.example\"]}".as_slice()].concat(),
    );
    place.certlet("ca issue --ca sub.pem b-csr.json");
    place.openssl("req -new -newkey rsa:2048 -nodes -keyout k -out c.csr -subj /CN=c");
    place.put("c.csr", [MARK, &bytes(&place, "c.csr")].concat());
    place.certlet("ca sign --ca sub.pem c.csr");
    place.certlet("ca renew a.example.pem --ca sub.pem --force");
    place.openssl("verify -CAfile root.pem -untrusted issuing.pem b.pem c.pem a.example.pem");
    // in the middle too, where files were put together
    place.put("two.pem", [bytes(&place, "b.pem"), MARK.to_vec(), issuing].concat());
    assert!(place.certlet("ca verify two.pem").contains("good  CN=bom"));
}

#[test]
fn utf16_is_told_by_its_name() {
    let place = chain();
    for (name, command) in [
        ("ca.pem", "ca verify a.example.pem"),
        ("a.example.pem", "ca show a.example.pem"),
        ("sub-key.pem", "ca issue --host b.example --ca sub.pem"),
    ] {
        let before = bytes(&place, name);
        place.put(name, utf16(&before));
        let said = place.refused(command);
        assert!(
            said.contains(&format!("{name}: it is UTF-16; save it as UTF-8")),
            "{said}"
        );
        place.put(name, before);
    }
}

/// The kinds of damage at the beginning of a file; what is left of it is a good CA.
#[test]
fn verify_says_nothing_good_of_another_certificate_than_the_one_it_was_given() {
    let place = chain();
    let (leaf, issuing) = {
        let text = place.text("a.example.pem");
        let (leaf, issuing) = text.split_at(text.rfind("-----BEGIN").unwrap());
        (leaf.to_owned(), issuing.to_owned())
    };
    place.put("one.pem", &leaf);
    place.openssl("x509 -in one.pem -trustout -addtrust serverAuth -out trusted.pem");
    let broken = leaf.replace("MII", "MI§");
    for (what, first, why) in [
        (
            "indented",
            leaf.replace("-----BEGIN", " -----BEGIN"),
            "beginning of a line",
        ),
        ("damaged base64", broken, "not valid base64"),
        (
            "another END",
            leaf.replace("END CERT", "END X509 CERT"),
            "another kind of block",
        ),
        ("no line break", leaf.trim_end().to_owned(), "a line break is missing"),
        ("cut", leaf[..leaf.len() / 2].to_owned() + "\n", "no END line"),
        ("old Mac", leaf.replace('\n', "\r"), "cannot be read"),
        ("trust settings", place.text("trusted.pem"), "TRUSTED CERTIFICATE"),
    ] {
        place.put("given.pem", first + &issuing);
        for command in ["ca verify given.pem", "ca verify given.pem -o json"] {
            let said = place.refused(command);
            assert!(said.contains(why) && !said.contains("good"), "{what}: {said}");
        }
        let said = place.refused("ca show given.pem");
        assert!(said.contains(why), "{what}: {said}");
        // a missing line break takes the next block with it
        assert_eq!(
            said.contains("CN=issuing"),
            !["no line break", "old Mac"].contains(&what),
            "{what}: {said}"
        );
    }
    // what is no certificate, and text, do not matter
    place.put(
        "given.pem",
        format!("{}\nsubject: a\n{leaf}{issuing}", place.text("a.example-key.pem")),
    );
    assert!(place.certlet("ca verify given.pem").contains("good  CN=a.example"));
}

#[test]
fn a_ca_is_the_first_certificate_of_its_file_or_nothing_is_signed() {
    let place = chain();
    let broken = place.text("sub.pem").replace("MII", "MI§");
    place.put("broken.pem", broken + &place.text("ca.pem"));
    let said = place.refused("ca issue --host b.example --ca broken.pem --ca-key ca-key.pem");
    assert!(said.contains("line 1 cannot be read"), "{said}");
    let said = place.refused("ca renew broken.pem --key ca-key.pem --force");
    assert!(said.contains("line 1 cannot be read"), "{said}");
}

#[test]
fn bundles_of_any_size_with_text_between_are_read() {
    let place = Place::new();
    assert!(Path::new(SYSTEM).exists(), "ca-certificates is not installed");
    place.certlet("ca init --name root");
    place.certlet("ca issue --host a.example --profile server");
    let system = fs::read_to_string(SYSTEM).unwrap();
    let text = place.openssl(&format!("storeutl -certs -text {SYSTEM}")) + &place.text("ca.pem");
    assert!(text.len() > 500_000);
    place.put("text.pem", &text);
    let verify = "ca verify --host a.example a.example.pem --ca";
    assert!(place.certlet(&format!("{verify} text.pem")).contains("good"));
    place.openssl("verify -CAfile text.pem a.example.pem");

    place.put(
        "mixed.pem",
        place.openssl("x509 -in ca.pem -trustout -addtrust serverAuth") + &system,
    );
    let said = place.refused(&format!("{verify} mixed.pem"));
    assert!(
        said.contains("line 1 is a \"TRUSTED CERTIFICATE\" and was skipped"),
        "{said}"
    );
    place.put("both.pem", place.text("mixed.pem") + &place.text("ca.pem"));
    let output = place.attempt(&format!("{verify} both.pem"));
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("was skipped"));
}

#[test]
fn keys_with_a_passphrase_are_named_as_such() {
    let place = Place::new();
    place.certlet("ca init --name root --key rsa-2048");
    for format in ["-aes256 -traditional", "-aes256"] {
        place.openssl(&format!(
            "rsa -in ca-key.pem {format} -passout pass:secret -out locked.pem"
        ));
        let said = place.refused("ca issue --host a.example --ca-key locked.pem");
        assert!(
            said.contains("encrypted with a passphrase") && said.contains("openssl pkey"),
            "{said}"
        );
        let said = place.refused("ca show locked.pem");
        assert!(said.contains("encrypted"), "{said}");
    }
}

/// openssl without `-purpose` says OK.
#[test]
fn certificates_that_are_no_tls_servers_are_good_unless_a_host_is_asked_for() {
    let place = Place::new();
    place.certlet("ca init --name root");
    place.put(
        "ca-config.json",
        r#"{"signing":{"profiles":{"code":{"usages":["signing","code signing"]},"mail":{"usages":["email protection"]},
            "ocsp":{"usages":["signing","ocsp signing"]},"client":{"usages":["client auth"]}}}}"#,
    );
    for profile in ["code", "mail", "ocsp", "client"] {
        place.certlet(&format!(
            "ca issue --config ca-config.json --profile {profile} --host a.example --out {profile}"
        ));
        assert!(place.certlet(&format!("ca verify {profile}.pem")).contains("good"));
        place.openssl(&format!("verify -CAfile ca.pem {profile}.pem"));
        let said = place.refused(&format!("ca verify {profile}.pem --host a.example"));
        assert!(
            said.contains("is not meant for TLS servers") && !said.contains("Context"),
            "{said}"
        );
    }
}
