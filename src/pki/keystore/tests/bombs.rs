//! Files that are made to cost whoever opens them: what is counted is rounds, not time.

use super::super::pkcs12::Mac;
use super::*;
use crate::pki::fixture::{key, leaf, root};
use crate::pki::key::{KeyAlgorithm::Ecdsa, KeyEncoding};
use crate::pki::keystore::{Contents, Format, Seed};
use crate::pki::oracle::Desk;
use crate::pki::{chain, oid};

const PASSWORD: &str = "password";

struct Material {
    key: PrivateKey,
    chain_pem: Vec<u8>,
}

impl Material {
    fn new() -> Self {
        let (root, key) = (root("root", key(Ecdsa, 256)), key(Ecdsa, 256));
        let chain_pem = chain::to_pem(&[leaf(&root, &["a.example"], &key)]);
        Self { key, chain_pem }
    }

    fn contents(&self) -> Contents<'_> {
        Contents {
            key: &self.key,
            chain_pem: &self.chain_pem,
            ca_pem: b"",
        }
    }
}

fn encoded(value: Value<'_>) -> Vec<u8> {
    der::tlv(value.tag, value.content)
}

/// A file that opens, with its bag of the key this many times and its certificates this many times, and a code of so many rounds.
fn file(material: &Material, keys: usize, certificates: usize, rounds: u32) -> Vec<u8> {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let good = Format::Pkcs12(Profile::Modern2023).keystore(&material.contents(), PASSWORD, now, &Seed([7; 32]));
    let good = good.unwrap();
    let (content, _) = parts(good.expose()).unwrap();
    let infos = children(content).unwrap();
    let [_, safe] = fields(infos[1]).unwrap();
    let bag = encoded(children(octets(explicit(safe).unwrap()).unwrap()).unwrap()[0]);
    let data = |content: &[u8]| der::sequence(&[der::oid(DATA), der::context(0, &[der::octet_string(content)])]);
    let mut safes = vec![encoded(infos[0]); certificates];
    safes.push(data(&der::sequence(&vec![bag; keys])));
    let content = der::sequence(&safes);
    let bmp = legacy::bmp_password(PASSWORD).unwrap();
    let key = Mac::Sha256.key(PASSWORD, &bmp, b"salt", rounds.try_into().unwrap());
    let code = der::octet_string(hmac::sign(&key, &content).as_ref());
    let info = der::sequence(&[der::sequence(&[der::oid(oid::SHA256), der::null()]), code]);
    let code = der::sequence(&[info, der::octet_string(b"salt"), der::integer(u64::from(rounds))]);
    der::sequence(&[der::integer(3), data(&content), code])
}

/// What comes of opening it, and what it cost.
fn opened(file: &[u8]) -> (Result<(), String>, u32) {
    let rounds = Rounds::default();
    let opened = open_with(file, PASSWORD, Profile::Modern2023, &rounds);
    (opened.map(drop).map_err(|error| error.to_string()), rounds.made())
}

#[test]
fn a_file_costs_no_more_rounds_than_one_key_and_its_certificates_may() {
    let material = Material::new();
    assert_eq!(opened(&file(&material, 1, 1, 2048)), (Ok(()), 3 * 2048));

    let (result, rounds) = opened(&file(&material, 3000, 1, 2048));
    assert!(result.unwrap_err().contains("more than one private key"));
    assert_eq!(rounds, 3 * 2048, "the second key is not opened");

    let (result, rounds) = opened(&file(&material, 1, 500, 2048));
    assert!(result.unwrap_err().contains("501 parts"));
    assert_eq!(rounds, 2048, "only the code is checked");

    let (result, rounds) = opened(&file(&material, 1, 1, MOST_ITERATIONS + 1));
    assert!(result.is_err());
    assert_eq!(rounds, 0);
}

#[test]
fn rounds_are_added_up_over_a_file_that_openssl_made() {
    let (material, desk) = (Material::new(), Desk::new());
    desk.put("key.pem", material.key.to_pem(KeyEncoding::Pkcs8).unwrap().expose());
    desk.put("chain.pem", &material.chain_pem);
    for (iterations, opens) in [(60_000, true), (70_000, false)] {
        desk.openssl(&format!(
            "pkcs12 -export -inkey key.pem -in chain.pem -passout pass:{PASSWORD} -iter {iterations} -out file.p12"
        ))
        .accepted();
        desk.openssl(&format!(
            "pkcs12 -in file.p12 -passin pass:{PASSWORD} -nodes -out opened.pem"
        ))
        .accepted();
        let (result, rounds) = opened(&desk.get("file.p12"));
        assert_eq!(result.is_ok(), opens, "{result:?}");
        assert!(rounds <= MOST_ROUNDS, "{rounds}");
    }
}
