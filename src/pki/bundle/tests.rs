use super::{Pool, read};
use crate::pki::chain;
use crate::pki::fixture::{p256, root};
use crate::pki::key::sha256;
use crate::pki::keystore::{Profile, Seed};
use crate::pki::oracle::Desk;

const SEED: Seed = Seed([7; 32]);

fn authority(name: &str) -> Vec<u8> {
    root(name, p256()).chain[0].clone()
}

fn pool(certificates: &[Vec<u8>]) -> Pool {
    let mut pool = Pool::default();
    for anchor in read(&chain::to_pem(certificates)).unwrap().anchors {
        pool.add(anchor);
    }
    pool
}

#[test]
fn each_certificate_is_once_in_the_order_of_the_digests() {
    let all: Vec<Vec<u8>> = ["one", "two", "three"].into_iter().map(authority).collect();
    let there = pool(&[all.clone(), all.clone()].concat());
    let mut sorted = all.clone();
    sorted.sort_by_key(|der| sha256(der));
    let pem = String::from_utf8(chain::to_pem(&sorted)).unwrap();
    assert_eq!(there.pem(), pem.trim_end());
    assert_eq!(there.size(), all.iter().map(Vec::len).sum::<usize>());
    assert_eq!(Pool::default().pem(), "");
}

#[test]
fn a_text_with_a_private_key_is_refused_and_the_sentence_has_nothing_of_it() {
    let key = p256().to_pem(crate::pki::key::KeyEncoding::Pkcs8).unwrap();
    let text = [chain::to_pem(&[authority("one")]), key.expose().clone()].concat();
    let error = read(&text).unwrap_err().to_string();
    assert!(error.contains("\"PRIVATE KEY\"; a trust bundle may have"), "{error}");
    let body = String::from_utf8(key.expose().clone()).unwrap();
    let body = body.lines().nth(1).unwrap();
    assert!(!error.contains(body), "{error}");
}

#[test]
fn header_lines_are_refused_and_text_between_blocks_is_not() {
    let pem = String::from_utf8(chain::to_pem(&[authority("one")])).unwrap();
    let commented = format!("# the root\n{pem}\nof the company\n");
    assert_eq!(read(commented.as_bytes()).unwrap().anchors.len(), 1);
    let headed = pem.replacen('\n', "\nOwner: me\n\n", 1);
    let error = read(headed.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 1 has header lines"), "{error}");
}

#[test]
fn a_block_that_go_passes_over_is_passed_over_and_named() {
    let pem = String::from_utf8(chain::to_pem(&[authority("one"), authority("two")])).unwrap();
    let broken = pem.replacen("-----END CERTIFICATE-----", "-----END CERT-----", 1);
    let found = read(broken.as_bytes()).unwrap();
    assert_eq!(found.anchors.len(), 1);
    assert!(
        found.passed_over[0].contains("\"CERTIFICATE\" in line 1"),
        "{:?}",
        found.passed_over
    );
}

#[test]
fn a_negative_serial_number_is_refused_as_go_does() {
    let mut der = authority("one");
    let serial = [&[2, 16][..], &[1; 16]].concat();
    let at = der.windows(serial.len()).position(|window| window == serial).unwrap();
    der[at + 2] = 0x81;
    let error = read(&chain::to_pem(&[der])).unwrap_err().to_string();
    assert!(error.contains("negative"), "{error}");
}

#[test]
fn keytool_lists_the_entries_of_jks_and_of_pkcs12_without_a_password() {
    let desk = Desk::new();
    let there = pool(&[authority("The One"), authority("the other")]);
    let names: Vec<String> = there.anchors().map(|anchor| anchor.subject.clone()).collect();
    assert!(names.contains(&"CN=The One".to_owned()), "{names:?}");
    desk.put("trust.jks", &there.jks("changeit").unwrap());
    let listed = desk
        .keytool("-list -storetype JKS -keystore trust.jks -storepass changeit")
        .output();
    assert_eq!(listed.matches("trustedCertEntry").count(), 2, "{listed}");
    assert!(listed.contains("|cn=the one,"), "{listed}");
    assert_eq!(there.jks("changeit"), there.jks("changeit"), "nothing of it is random");
    let bare = there.pkcs12("", Profile::default(), &SEED).unwrap();
    desk.put("bare.p12", &bare);
    let shown = desk.openssl("pkcs12 -in bare.p12 -nokeys -passin pass: -info").output();
    assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2, "{shown}");
    assert!(shown.contains("PKCS7 Data") && !shown.contains("Encrypted"), "{shown}");
    assert_eq!(there.pkcs12("", Profile::LegacyDes, &Seed([8; 32])), Ok(bare));
}

#[test]
fn openssl_opens_pkcs12_with_a_password() {
    let desk = Desk::new();
    let there = pool(&[authority("The One"), authority("the other")]);
    for profile in [Profile::LegacyRc2, Profile::LegacyDes, Profile::Modern2023] {
        desk.put("trust.p12", &there.pkcs12("pass", profile, &SEED).unwrap());
        let shown = desk
            .openssl("pkcs12 -legacy -in trust.p12 -nokeys -passin pass:pass")
            .output();
        assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2, "{shown}");
        assert!(shown.contains("|CN=The One"), "{shown}");
    }
}
