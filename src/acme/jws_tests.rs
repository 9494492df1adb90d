use std::process::{Command, Stdio};

use super::*;

/// Runs `openssl` with `input` on its standard input.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

fn decoded(jws: &str, part: &str) -> Vec<u8> {
    let jws: Value = serde_json::from_str(jws).unwrap();
    BASE64_URL.decode(jws[part].as_str().unwrap()).unwrap()
}

#[test]
fn an_rsa_key_gives_the_same_account_in_both_encodings() {
    let pkcs1 = generate_rsa_2048_pem().unwrap();
    assert!(pkcs1.expose().starts_with(b"-----BEGIN RSA PRIVATE KEY-----\n"));
    let pkcs8 = openssl(&["pkcs8", "-topk8", "-nocrypt"], pkcs1.expose());
    let [one, two] = [
        AccountKey::from_pem(pkcs1.expose()).unwrap(),
        AccountKey::from_pem(&pkcs8).unwrap(),
    ];
    assert_eq!(one.thumbprint(), two.thumbprint());
    assert_eq!(one.private_key_hash(), two.private_key_hash());
    let der = openssl(&["rsa", "-traditional", "-outform", "DER"], &pkcs8);
    assert_eq!(
        one.private_key_hash(),
        BASE64_STANDARD.encode(digest::digest(&digest::SHA256, &der))
    );
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    // RFC 7638 section 3.1 has only a public key, so the JWK is what is compared.
    let key = AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap();
    let jwk: Value = serde_json::from_str(&key.0.jwk).unwrap();
    assert_eq!(jwk.to_string(), key.0.jwk, "members in lexical order, no white space");
    assert_eq!(jwk["e"], "AQAB");
    assert_eq!(key.key_authorization("token"), format!("token.{}", key.thumbprint()));
}

#[test]
fn openssl_verifies_what_an_rsa_key_signs() {
    let pem = generate_rsa_2048_pem().unwrap();
    let key = AccountKey::from_pem(pem.expose()).unwrap();
    let jws = key
        .sign(Some("https://ca/acct/1"), "nonce", "https://ca/order", r#"{"a":1}"#)
        .unwrap();
    let header: Value = serde_json::from_slice(&decoded(&jws, "protected")).unwrap();
    assert_eq!(
        header,
        json!({"alg": "RS256", "kid": "https://ca/acct/1", "nonce": "nonce", "url": "https://ca/order"})
    );
    assert_eq!(decoded(&jws, "payload"), br#"{"a":1}"#);

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("key"), pem.expose()).unwrap();
    std::fs::write(path("signature"), decoded(&jws, "signature")).unwrap();
    let fields: Value = serde_json::from_str(&jws).unwrap();
    let message = format!(
        "{}.{}",
        fields["protected"].as_str().unwrap(),
        fields["payload"].as_str().unwrap()
    );
    let (key, signature) = (path("key"), path("signature"));
    openssl(
        &["dgst", "-sha256", "-prverify", &key, "-signature", &signature],
        message.as_bytes(),
    );
}

#[test]
fn a_p256_key_is_read_in_both_encodings_and_signs_with_es256() {
    let sec1 = openssl(&["ecparam", "-name", "prime256v1", "-genkey"], b"");
    let pkcs8 = openssl(&["pkcs8", "-topk8", "-nocrypt"], &sec1);
    let [one, two] = [
        AccountKey::from_pem(&sec1).unwrap(),
        AccountKey::from_pem(&pkcs8).unwrap(),
    ];
    assert_eq!(
        (one.thumbprint(), one.private_key_hash()),
        (two.thumbprint(), two.private_key_hash())
    );
    let jws = one.sign(None, "n", "u", "").unwrap();
    let header: Value = serde_json::from_slice(&decoded(&jws, "protected")).unwrap();
    assert_eq!(
        (&header["alg"], &header["jwk"]["crv"]),
        (&json!("ES256"), &json!("P-256"))
    );
    assert_eq!(decoded(&jws, "signature").len(), 64);
    assert!(decoded(&jws, "payload").is_empty());
}

#[test]
fn other_keys_and_garbage_are_refused_with_a_sentence() {
    let refused = |pem: &[u8]| AccountKey::from_pem(pem).unwrap_err();
    assert_eq!(refused(b"garbage"), KeyError::NotPem);
    assert_eq!(refused(b""), KeyError::NotPem);
    assert_eq!(
        refused(&openssl(&["genpkey", "-algorithm", "ed25519"], b"")),
        KeyError::NotRsa
    );
    assert_eq!(
        refused(&openssl(&["ecparam", "-name", "secp384r1", "-genkey", "-noout"], b"")),
        KeyError::NotRsa
    );
    assert_eq!(
        refused(&openssl(&["genrsa", "-traditional", "1024"], b"")),
        KeyError::Size
    );
    let damaged = "-----BEGIN RSA PRIVATE KEY-----\nMAsCAQACAQACAQACAQA=\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(refused(damaged.as_bytes()), KeyError::Damaged);
    assert!(KeyError::NotRsa.to_string().starts_with("it is not of type RSA"));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let pem = generate_rsa_2048_pem().unwrap();
    let key = AccountKey::from_pem(pem.expose()).unwrap();
    assert_eq!(format!("{key:?}"), format!("AccountKey({})", key.thumbprint()));
    let external = ExternalAccount::new("kid", b"c2VjcmV0").unwrap();
    assert_eq!(format!("{external:?}"), r#"ExternalAccount { key_id: "kid", .. }"#);
}

#[test]
fn an_external_account_is_bound_with_hs256_and_openssl_agrees() {
    let key = AccountKey::from_pem(generate_rsa_2048_pem().unwrap().expose()).unwrap();
    let external = ExternalAccount::new("kid-1", b" c2VjcmV0LWtleQ \n").unwrap();
    let binding = key.bind(&external, "https://ca/new-account");
    let header = BASE64_URL.decode(binding["protected"].as_str().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        header,
        json!({"alg": "HS256", "kid": "kid-1", "url": "https://ca/new-account"})
    );
    assert_eq!(
        BASE64_URL.decode(binding["payload"].as_str().unwrap()).unwrap(),
        key.0.jwk.as_bytes()
    );
    let message = format!(
        "{}.{}",
        binding["protected"].as_str().unwrap(),
        binding["payload"].as_str().unwrap()
    );
    let tag = openssl(
        &["dgst", "-sha256", "-hmac", "secret-key", "-binary"],
        message.as_bytes(),
    );
    assert_eq!(binding["signature"], BASE64_URL.encode(tag));
}

#[test]
fn mac_keys_are_read_as_consoles_show_them() {
    let bytes = [0xfb, 0xff, 0xfe, 0x01];
    for text in ["-__-AQ", "-__-AQ==", "+//+AQ==", "+//+AQ"] {
        assert_eq!(
            ExternalAccount::new("k", text.as_bytes()).unwrap().mac_key.expose(),
            &bytes,
            "{text}"
        );
    }
    for bad in ["", "  ", "not base64!", "a"] {
        assert_eq!(
            ExternalAccount::new("k", bad.as_bytes()).unwrap_err(),
            KeyError::MacKey,
            "{bad}"
        );
    }
}
