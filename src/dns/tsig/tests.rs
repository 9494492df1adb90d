//! Vectors of RFC 2202, and messages that dnspython has signed (`tests/data/dns/tsig.py`).

use serde::Deserialize;

use super::*;

/// When dnspython signed.
const NOW: u64 = 1_795_900_000;

#[derive(Deserialize)]
struct Row {
    algorithm: String,
    secret: String,
    request: String,
    signed: String,
    mac: String,
    response: String,
}

impl Row {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../../tests/data/dns/tsig.json")).unwrap()
    }

    fn key(&self) -> Key {
        Key::new("key.example", &self.algorithm, self.secret.as_bytes()).unwrap()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn requests_are_signed_as_dnspython_signs_them() {
    let rows = Row::all();
    assert_eq!(rows.len(), 8);
    for row in rows {
        let signed = row.key().sign(&bytes(&row.request), NOW).unwrap();
        assert_eq!(signed.mac, bytes(&row.mac), "{}", row.algorithm);
        let (start, name, tsig) = tsig_of(&signed.bytes).unwrap();
        let (their_start, their_name, theirs) = tsig_of(&bytes(&row.signed)).unwrap();
        assert_eq!((start, &name), (their_start, &their_name));
        assert_eq!(
            (tsig.mac, tsig.time, tsig.fudge, tsig.oid),
            (theirs.mac, theirs.time, theirs.fudge, theirs.oid)
        );
        assert!(tsig.algorithm.to_name().eq_ignore_root(&theirs.algorithm.to_name()));
    }
}

#[test]
fn responses_of_dnspython_are_verified_and_changed_ones_are_not() {
    for row in Row::all() {
        let (key, mac, response) = (row.key(), bytes(&row.mac), bytes(&row.response));
        let good = Verified {
            valid: true,
            error: None,
            time: NOW,
            server_time: None,
        };
        assert_eq!(key.verify(&mac, &response).unwrap(), good, "{}", row.algorithm);
        // the ID is not signed: the original one in the TSIG record is
        for changed in 2..response.len() {
            let mut response = response.clone();
            response[changed] ^= 1;
            let verified = key.verify(&mac, &response);
            assert!(verified.is_none_or(|verified| !verified.valid), "{changed}");
        }
        assert!(!key.verify(&mac[1..], &response).unwrap().valid);
        let other = Key::new("key.example", &row.algorithm, b"b3RoZXI=").unwrap();
        assert!(!other.verify(&mac, &response).unwrap().valid);
        let renamed = Key::new("other.example", &row.algorithm, row.secret.as_bytes()).unwrap();
        assert_eq!(renamed.verify(&mac, &response), None);
    }
}

#[test]
fn a_message_without_the_record_or_with_another_one_after_it_is_not_signed() {
    let row = &Row::all()[4];
    let key = row.key();
    assert_eq!(key.verify(&[], &bytes(&row.request)), None);
    for wrong in [
        vec![],
        vec![0; 11],
        vec![0; 12],
        vec![0xff; 12],
        [bytes(&row.signed), vec![0]].concat(),
    ] {
        assert_eq!(key.verify(&[], &wrong), None, "{wrong:?}");
    }
    assert!(key.sign(&[0; 11], NOW).is_none());
    assert!(key.sign(&vec![0; 65_500], NOW).is_none());
}

#[test]
fn hmac_md5_and_hmac_sha1_are_those_of_rfc_2202() {
    let large = "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data";
    let counted: Vec<u8> = (1..=25).collect();
    let md5: [(&[u8], &[u8], &str); 7] = [
        (&[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "750c783e6ab0b503eaa86e310a5db738",
        ),
        (&[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6"),
        (&counted, &[0xcd; 50], "697eaf0aca3a3aea3a75164746ffaa79"),
        (&[0x0c; 16], b"Test With Truncation", "56461ef2342edc00f9bab995690efd4c"),
        (
            &[0xaa; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
        ),
        (&[0xaa; 80], large.as_bytes(), "6f630fad67cda0ee1fb1f562db3aa53e"),
    ];
    for (key, data, mac) in md5 {
        assert_eq!(Algorithm::HmacMd5.mac(key, data), bytes(mac));
    }
    let sha1: [(&[u8], &[u8], &str); 4] = [
        (&[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (&counted, &[0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
        (
            &[0xaa; 80],
            large.as_bytes(),
            "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
        ),
    ];
    for (key, data, mac) in sha1 {
        assert_eq!(Algorithm::HmacSha1.mac(key, data), bytes(mac));
    }
}

#[test]
fn dns_09_algorithms_are_read_in_any_case_and_the_default_is_hmac_md5() {
    for (text, expected) in [
        ("", Algorithm::HmacMd5),
        ("hmacmd5", Algorithm::HmacMd5),
        ("HMACSHA1", Algorithm::HmacSha1),
        ("HmacSha256", Algorithm::HmacSha256),
        ("HMACSHA512", Algorithm::HmacSha512),
    ] {
        assert_eq!(Algorithm::parse(text), Ok(expected), "{text}");
    }
    for wrong in ["HMAC-SHA256", "HMACSHA384", "hmac-md5.sig-alg.reg.int.", " HMACSHA1"] {
        let sentence = Algorithm::parse(wrong).unwrap_err().to_string();
        assert!(
            sentence.contains("is not one of HMACMD5, HMACSHA1, HMACSHA256, HMACSHA512"),
            "{sentence}"
        );
    }
}

#[test]
fn secrets_are_base64_in_which_line_breaks_do_not_count() {
    for secret in ["c2VjcmV0", "c2VjcmV0\n", "c2Vj\r\ncmV0\r\n"] {
        let key = Key::new("key.example.", "HMACSHA256", secret.as_bytes()).unwrap();
        assert_eq!(key.secret.as_slice(), b"secret");
        assert_eq!(
            (key.name(), key.algorithm()),
            ("key.example".to_owned(), Algorithm::HmacSha256)
        );
    }
    for (wrong, says) in [
        (&b""[..], "the TSIG secret is empty"),
        (b"\n", "the TSIG secret is empty"),
        (b"c2VjcmV0 ", "character 9 does not belong there"),
        (b"c2VjcmV", "the `=` at the end are missing"),
        (b"\xff\xfe\x00\x01", "character 1 does not belong there"),
        (b"hidden!secret", "character 7 does not belong there"),
    ] {
        let sentence = Key::new("key.example", "", wrong).unwrap_err().to_string();
        assert!(sentence.contains(says) && !sentence.contains("hidden"), "{sentence}");
    }
    let sentence = Key::new("a..b", "", b"c2VjcmV0").unwrap_err().to_string();
    assert!(
        sentence.starts_with("tsigKeyName: \"a..b\" is not a DNS name"),
        "{sentence}"
    );
}

#[test]
fn a_key_shows_nothing_of_its_secret() {
    let key = Key::new("key.example", "", b"c2VjcmV0").unwrap();
    assert_eq!(
        format!("{key:?}"),
        "Key { name: \"key.example\", algorithm: HmacMd5, .. }"
    );
}
