//! `certlet inspect secret` asks for revocation: openssl is the CA and the responder, a stand-in is the cluster.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Ended, api::Server, certlet, kubeconfig, run};

/// A CA of openssl, whose one certificate names a responder and a list.
struct Ca {
    home: tempfile::TempDir,
    server: Server,
}

fn openssl(home: &Path, args: &str) -> Ended {
    let ended = run("openssl", &args.split_whitespace().collect::<Vec<_>>(), home);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

impl Ca {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_owned();
        let one_at_a_time = Arc::new(Mutex::new(()));
        let server = Server::start(move |asked| {
            let _guard = one_at_a_time.lock().unwrap();
            match asked.path.as_str() {
                "/ocsp" => {
                    assert!(
                        asked
                            .headers
                            .iter()
                            .any(|line| line == "content-type: application/ocsp-request")
                    );
                    std::fs::write(folder.join("request.der"), &asked.body).unwrap();
                    openssl(
                        &folder,
                        "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin request.der -respout response.der -ndays 1",
                    );
                    std::fs::read(folder.join("response.der")).ok()
                }
                "/list.crl" => {
                    openssl(&folder, "ca -gencrl -config ca.cnf -crldays 2 -out list.pem");
                    openssl(&folder, "crl -in list.pem -outform DER -out list.der");
                    std::fs::read(folder.join("list.der")).ok()
                }
                "/api/v1/namespaces/shop/secrets/web" => Some(secret(&folder)),
                "/apis/cert-manager.io/v1/namespaces/shop/certificates?" => Some(
                    br#"{"kind":"CertificateList","apiVersion":"cert-manager.io/v1","metadata":{},"items":[]}"#
                        .to_vec(),
                ),
                _ => None,
            }
        });
        let ca = Self { home, server };
        ca.issue();
        ca
    }

    fn issue(&self) {
        let home = self.home.path();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        let put = |name: &str, text: &str| std::fs::write(home.join(name), text).unwrap();
        let url = &self.server.url;
        put(
            "leaf.ext",
            &format!("authorityInfoAccess=OCSP;URI:{url}/ocsp\ncrlDistributionPoints=URI:{url}/list.crl\n"),
        );
        put("index.txt", "V\t301231235959Z\t\t1234\tunknown\t/CN=leaf\n");
        put(
            "ca.cnf",
            "[ca]\ndefault_ca = root\n[root]\ndatabase = index.txt\ncertificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\n\
             crl_extensions = crl\n[crl]\nauthorityKeyIdentifier = keyid\n",
        );
        openssl(
            home,
            &format!("req -x509 {key} -subj /CN=root -days 30 -keyout ca.key -out ca.pem"),
        );
        openssl(
            home,
            &format!("req -new {key} -subj /CN=leaf -keyout leaf.key -out leaf.csr"),
        );
        openssl(
            home,
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -set_serial 0x1234 -days 20 -extfile leaf.ext -out leaf.pem",
        );
    }

    fn revoke(&self) {
        let line = "R\t301231235959Z\t261101000000Z,keyCompromise\t1234\tunknown\t/CN=leaf\n";
        std::fs::write(self.home.path().join("index.txt"), line).unwrap();
    }

    fn inspect(&self, args: &[&str]) -> Ended {
        let config = kubeconfig(self.home.path(), &self.server.url);
        let args = [&["inspect", "secret", "web", "--kubeconfig", &config], args].concat();
        certlet(&args, self.home.path())
    }
}

/// The Secret, as the API server returns it.
fn secret(folder: &Path) -> Vec<u8> {
    use base64::Engine as _;
    let file = |name: &str| base64::engine::general_purpose::STANDARD.encode(std::fs::read(folder.join(name)).unwrap());
    let secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"},
        "type": "kubernetes.io/tls", "data": {"tls.crt": file("leaf.pem"), "tls.key": file("leaf.key"), "ca.crt": file("ca.pem")}});
    secret.to_string().into_bytes()
}

#[test]
fn responder_and_list_are_asked_and_a_revoked_certificate_is_a_finding() {
    let ca = Ca::new();
    let here = ["--allow-outgoing-networks", "127.0.0.0/8"];
    let good = ca.inspect(&[&here[..], &["-o", "json"]].concat());
    assert_eq!(good.code, Some(0), "{good:?}");
    let report: Value = serde_json::from_str(&good.stdout).unwrap();
    let statuses = |report: &Value| -> Vec<String> {
        let all = report["revocation"].as_array().unwrap().iter();
        all.map(|one| {
            format!(
                "{} {}",
                one["method"].as_str().unwrap(),
                one["status"].as_str().unwrap()
            )
        })
        .collect()
    };
    assert_eq!(statuses(&report), ["OCSP good", "CRL good"], "{report:#}");
    ca.revoke();
    let revoked = ca.inspect(&here);
    assert_eq!(revoked.code, Some(3), "{revoked:?}");
    for method in ["OCSP", "CRL"] {
        let line = format!("! the certificate is revoked, says {method}: since 2026-11-01T00:00:00Z, keyCompromise\n");
        assert!(revoked.stdout.contains(&line), "{revoked:?}");
    }
}

#[test]
fn this_machine_is_not_contacted_unless_a_flag_allows_it_and_nothing_is_asked_without_wish() {
    let ca = Ca::new();
    ca.revoke();
    let asked = |ca: &Ca| {
        let asked = ca.server.asked().into_iter();
        asked
            .filter(|asked| ["/ocsp", "/list.crl"].contains(&asked.path.as_str()))
            .count()
    };
    let refused = ca.inspect(&[]);
    assert_eq!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stdout.contains("not checked: "), "{refused:?}");
    assert!(refused.stdout.contains("is not contacted"), "{refused:?}");
    let off = ca.inspect(&["--revocation=false"]);
    assert_eq!(off.code, Some(0), "{off:?}");
    assert!(!off.stdout.contains("OCSP"), "{off:?}");
    assert_eq!(asked(&ca), 0);
}
