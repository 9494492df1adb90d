//! CAs that tests make by hand, and how they get into the cluster.

use super::bed::Bed;
use super::command::{NEW_P256, openssl, run, run_with_input};

/// A private key and its certificate, as PEM.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// `tls.key`.
    pub(crate) key: String,
    /// `tls.crt`.
    pub(crate) certificate: String,
}

impl Pair {
    /// A CA made by `openssl req -x509`, as most people make theirs.
    pub(crate) async fn by_openssl(subject: &str) -> Self {
        Self::self_signed(subject, &NEW_P256).await
    }

    /// Such a CA that says in its key usage that it signs.
    pub(crate) async fn by_openssl_with_usage(subject: &str) -> Self {
        let usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        Self::self_signed(subject, &[&NEW_P256[..], &usage].concat()).await
    }

    /// What `openssl req -x509` makes with these options, of which one says which key.
    pub(crate) async fn self_signed(subject: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (key, certificate) = (path("tls.key"), path("tls.crt"));
        let files = ["-keyout", &key, "-out", &certificate, "-subj", subject, "-days", "365"];
        openssl(&[&["req", "-x509", "-sha256"], &files[..], options].concat(), "").await;
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        Self {
            key: read(&key),
            certificate: read(&certificate),
        }
    }

    /// A CA below this one: its certificate, and after it this one's.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::KeyPair::from_pem(&self.key).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&self.certificate, own).unwrap();
        let certificate = ca_params(name, (-1, 300), true).signed_by(&key, &issuer).unwrap();
        Self {
            key: key.serialize_pem(),
            certificate: format!("{}{}", certificate.pem(), self.certificate),
        }
    }

    /// The certificate of a server with these names and addresses, of this CA.
    pub(crate) fn server(&self, names: &[&str]) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::KeyPair::from_pem(&self.key).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&self.certificate, own).unwrap();
        let mut params = ca_params(names[0], (-1, 30), false);
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => rcgen::SanType::IpAddress(address),
                Err(_) => rcgen::SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        Self {
            key: key.serialize_pem(),
            certificate: params.signed_by(&key, &issuer).unwrap().pem(),
        }
    }

    /// A CA, or what is none, with a validity in days from now: openssl 3.0 cannot set its beginning.
    pub(crate) fn dated(name: &str, from: i64, until: i64, is_ca: bool) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        Self::with_key(&key, name, (from, until), is_ca)
    }

    /// The same CA with the same key, valid for other days.
    pub(crate) fn renewed(&self, name: &str, until: i64) -> Self {
        let key = rcgen::KeyPair::from_pem(&self.key).unwrap();
        Self::with_key(&key, name, (0, until), true)
    }

    fn with_key(key: &rcgen::KeyPair, name: &str, days: (i64, i64), is_ca: bool) -> Self {
        Self {
            key: key.serialize_pem(),
            certificate: ca_params(name, days, is_ca).self_signed(key).unwrap().pem(),
        }
    }

    /// `kubectl create secret tls`, over whatever is there.
    pub(crate) async fn store(&self, bed: &Bed, namespace: &str, secret: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let cert = format!("--cert={}", file("tls.crt", &self.certificate));
        let key = format!("--key={}", file("tls.key", &self.key));
        let made = [
            "create",
            "secret",
            "tls",
            secret,
            &cert,
            &key,
            "--dry-run=client",
            "-o",
            "yaml",
        ];
        let manifest = run("kubectl", &made).await;
        bed.apply(namespace, &manifest).await;
    }
}

fn ca_params(name: &str, (from, until): (i64, i64), is_ca: bool) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = if is_ca {
        rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)
    } else {
        rcgen::IsCa::ExplicitNoCa
    };
    let day = |days| time::OffsetDateTime::now_utc() + time::Duration::days(days) - time::Duration::seconds(2);
    (params.not_before, params.not_after) = (day(from), day(until));
    params
}

/// What `openssl x509` says of the first certificate in a text, with these options.
pub(crate) async fn certificate_says(pem: &str, options: &[&str]) -> String {
    run_with_input("openssl", &[&["x509", "-noout"], options].concat(), pem).await
}
