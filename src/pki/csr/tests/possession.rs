//! By which signatures a request proves that its sender has the key.

use super::*;

/// Appliances, IIS and old scripts sign with SHA-1; Go and cfssl accept that in requests, and only there.
#[test]
fn sha_1_proves_possession() {
    let desk = Desk::new();
    for (new_key, size) in [
        ("rsa:2048", 2048),
        ("rsa:1024", 1024),
        ("ec -pkeyopt ec_paramgen_curve:P-256", 256),
        ("ec -pkeyopt ec_paramgen_curve:P-384", 384),
        ("ec -pkeyopt ec_paramgen_curve:P-521", 521),
    ] {
        let command = format!("req -new -sha1 -newkey {new_key} -nodes -subj /CN=iis -keyout k -out a.csr");
        desk.openssl(&command).accepted();
        assert!(
            desk.openssl("req -in a.csr -noout -text")
                .output()
                .to_lowercase()
                .contains("sha1")
        );
        let der = only_request(&desk.get("a.csr")).unwrap();
        assert_eq!(CsrInfo::from_der(&der).unwrap().key_spec().size, size);
        let mut forged = der;
        let at = forged.windows(3).position(|window| window == b"iis").unwrap();
        forged[at] = b'I';
        let refusal = CsrInfo::from_der(&forged).unwrap_err().to_string();
        assert!(refusal.contains("does not belong to the public key"), "{refusal}");
    }
}

/// It is never used: what we sign with follows from the key and has no place for it.
#[test]
fn sha_1_signs_nothing() {
    let names: Vec<String> = SignatureAlgorithm::ALL.iter().map(ToString::to_string).collect();
    assert!(!names.iter().any(|name| name.contains("SHA1")), "{names:?}");
    assert!("SHA1WithRSA".parse::<SignatureAlgorithm>().is_err());
}

#[test]
fn md5_is_refused_with_advice() {
    let desk = Desk::new();
    desk.openssl("req -new -md5 -newkey rsa:2048 -nodes -subj /CN=old -keyout k -out a.csr")
        .accepted();
    let refusal = CsrInfo::parse(&desk.get("a.csr")).unwrap_err().to_string();
    assert!(
        refusal.contains("made with MD5") && refusal.contains("SHA-256"),
        "{refusal}"
    );
}
