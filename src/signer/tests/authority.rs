//! Certificates of a CA whose key pair is in a Secret.

use super::*;

#[test]
fn sgn_02_a_leaf_of_an_intermediate_is_verified_by_openssl_with_its_ca_crt() {
    let desk = Desk::new();
    let root = fixture::root("root", fixture::key(KeyAlgorithm::Rsa, 2048));
    let middle = fixture::intermediate("middle", &root, fixture::p256());
    let leaf_key = fixture::p256();
    let csr = build(&template("leaf"), &leaf_key).unwrap();
    let mut with_root = Secret::of(&middle, &middle.chain);
    let mut root_in_ca_crt = Secret::of(&middle, &middle.chain[..1]);
    root_in_ca_crt.ca = Some(to_pem(&root.chain));
    with_root.ca = None;
    for secret in [with_root, root_in_ca_crt] {
        let authority = secret.authority().unwrap();
        let urls = Urls {
            ocsp_servers: vec!["http://o.example".into()],
            ..Urls::default()
        };
        let issued = authority
            .sign(&request(&csr), &urls, Outliving::State, now(), SERIAL)
            .unwrap();
        assert_eq!(issued.ca, to_pem(&root.chain));
        let chain = certificates(&issued.certificate);
        assert_eq!(chain.len(), 2, "the root is not part of the chain");
        assert_eq!((chain[0].not_before, chain[0].key_hash), (now(), leaf_key.hash()));
        assert_eq!(chain[0].not_after, now() + SignedDuration::from_hours(2160));
        assert!(issued.warnings.is_empty());
        desk.put("ca.pem", &issued.ca);
        desk.put("tls.pem", &issued.certificate);
        desk.openssl(
            "verify -x509_strict -purpose sslserver -attime 1800000001 -CAfile ca.pem -untrusted tls.pem tls.pem",
        )
        .accepted();
        let text = desk.openssl("x509 -in tls.pem -noout -text").output();
        assert!(text.contains("OCSP - URI:http://o.example"), "{text}");
    }
}

fn root_with(validity: Validity, extras: &Extras) -> Issuer {
    let key = fixture::p256();
    let der = self_sign(&fixture::request("old", &[], &key), &key, validity, SERIAL, extras).unwrap();
    fixture::issuer(vec![], der, key)
}

#[test]
fn rdy_02_each_unusable_pair_is_explained_in_one_sentence() {
    let root = fixture::root("root", fixture::p256());
    let good = || Secret::of(&root, &root.chain);
    let leaf_issuer = root_with(fixture::validity(), &fixture::server_extras());
    let past = Validity {
        not_before: "2020-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2021-01-01T00:00:00Z".parse().unwrap(),
    };
    let expired = root_with(past, &fixture::ca_extras());
    let no_sign = root_with(
        fixture::validity(),
        &Extras {
            is_ca: true,
            ..fixture::server_extras()
        },
    );
    let with = |change: fn(&mut Secret)| {
        let mut secret = good();
        change(&mut secret);
        secret
    };
    let mut mixed = good();
    mixed.key = fixture::p256().to_pem(KeyEncoding::Pkcs8).unwrap().expose().clone();
    for (secret, part) in [
        (with(|s| s.key.clear()), "no data for \"tls.key\" in secret 'ns/ca'"),
        (
            with(|s| s.certificate.clear()),
            "no data for \"tls.crt\" in secret 'ns/ca'",
        ),
        (with(|s| s.key = b"x".to_vec()), "tls.key: the text holds no PEM block"),
        (
            with(|s| s.certificate = b"x".to_vec()),
            "tls.crt: the text holds no certificate",
        ),
        (
            with(|s| s.ca = Some(b"x".to_vec())),
            "ca.crt: the text holds no certificate",
        ),
        (Secret::of(&leaf_issuer, &leaf_issuer.chain), "certificate is not a CA"),
        (mixed, "tls.key is not the key of the certificate \"CN=root\""),
        (Secret::of(&expired, &expired.chain), "expired on 2021-01-01T00:00:00Z"),
        (Secret::of(&no_sign, &no_sign.chain), "does not allow it to sign"),
    ] {
        let problem = secret.authority().unwrap_err();
        let message = problem.to_string();
        assert!(message.contains(part), "{message}");
        assert_eq!(problem.refusal(&secret.data()).reason, "SecretInvalidData");
    }
    assert!(good().authority().is_ok());
}

#[test]
fn a_leaf_never_outlives_its_ca_silently() {
    let root = fixture::root("root", fixture::p256());
    let authority = Secret::of(&root, &root.chain).authority().unwrap();
    let csr = build(&template("leaf"), &fixture::p256()).unwrap();
    let long = Request {
        duration: SignedDuration::from_hours(20 * 365 * 24),
        ..request(&csr)
    };
    for (outliving, ends_with_ca) in [(Outliving::State, false), (Outliving::Clamp, true)] {
        let issued = authority
            .sign(&long, &Urls::default(), outliving, now(), SERIAL)
            .unwrap();
        let leaf = &certificates(&issued.certificate)[0];
        assert_eq!(leaf.not_after == root.info.not_after, ends_with_ca);
        assert_eq!(issued.warnings[0].reason, "OutlivesCA");
        assert!(
            issued.warnings[0].message.contains("2036-01-01T00:00:00Z"),
            "{}",
            issued.warnings[0].message
        );
    }
}

#[test]
fn a_ca_below_a_ca_has_a_shorter_path_or_none() {
    let key = fixture::p256();
    let template = CsrTemplate {
        is_ca: true,
        encode_usages: false,
        ..template("below")
    };
    for (above, expected) in [(None, Some(None)), (Some(2), Some(Some(1))), (Some(0), None)] {
        let extras = Extras {
            max_path_len: above,
            ..fixture::ca_extras()
        };
        let root = root_with(fixture::validity(), &extras);
        let authority = Secret::of(&root, &root.chain).authority().unwrap();
        let csr = build(&template, &key).unwrap();
        let asked = Request {
            csr: &csr,
            is_ca: true,
            adds_cert_sign: true,
            usages: &[],
            duration: SignedDuration::from_hours(1),
        };
        let issued = authority.sign(&asked, &Urls::default(), Outliving::State, now(), SERIAL);
        let path_len = issued
            .as_ref()
            .ok()
            .map(|issued| certificates(&issued.certificate)[0].path_len);
        assert_eq!(path_len, expected, "{issued:?}");
    }
}
