//! A directory of its own for every test, and the programs that are run there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

const CA_CSR: &str = include_str!("../data/cfssl/ca-csr.json");
const CA_CONFIG: &str = include_str!("../data/cfssl/ca-config.json");
const SERVER_CSR: &str = include_str!("../data/cfssl/example.ctnrs.com-csr.json");

/// A directory in which commands are run.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with_cfssl_files() -> Self {
        let place = Self::new();
        for (name, content) in [
            ("ca-csr.json", CA_CSR),
            ("ca-config.json", CA_CONFIG),
            ("example.ctnrs.com-csr.json", SERVER_CSR),
        ] {
            fs::write(place.0.path().join(name), content).unwrap();
        }
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.path())
            .env_remove("KUBECONFIG")
            .env("HOME", self.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program} judges this test and cannot be run: {error}; install it"))
    }

    /// What certlet says when all is well.
    pub(crate) fn certlet(&self, command: &str) -> String {
        let output = self.attempt(command);
        assert!(
            output.status.success(),
            "certlet {command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What certlet says when something is wrong.
    pub(crate) fn refused(&self, command: &str) -> String {
        let output = self.attempt(command);
        assert!(!output.status.success(), "certlet {command} should have failed");
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    pub(crate) fn attempt(&self, command: &str) -> Output {
        self.run(
            env!("CARGO_BIN_EXE_certlet"),
            &command.split_whitespace().collect::<Vec<_>>(),
        )
    }

    pub(crate) fn openssl(&self, command: &str) -> String {
        let output = self.run("openssl", &command.split_whitespace().collect::<Vec<_>>());
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "openssl {command}: {said}");
        said
    }

    /// Writes a file.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    /// A self-signed CA of `key` with any dates (`20240101000000Z`), by `openssl ca`; further flags may follow.
    pub(crate) fn dated_root(&self, certificate: &str, key: &str, dates: [&str; 2], flags: &str) {
        self.put(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n\
             rand_serial=yes\nunique_subject=no\n[p]\ncommonName=optional\norganizationName=optional\n[x]\n\
             basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
        );
        self.put("index", "");
        self.openssl(&format!("req -new -key {key} -subj /O=Example/CN=Old -out root.csr"));
        let [start, end] = dates;
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -startdate {start} -enddate {end} -in root.csr -out {certificate} -selfsign -keyfile {key} {flags}"
        ));
    }

    /// `cfssl … | cfssljson -bare NAME`, as the old scripts do it.
    pub(crate) fn cfssl(&self, command: &str, name: &str) {
        let script =
            format!("set -e; cfssl {command} 2>/dev/null > out.json; cfssljson -bare {name} < out.json; rm out.json");
        assert!(
            Command::new("cfssl").arg("version").output().is_ok(),
            "cfssl judges this test and cannot be run: install golang-cfssl"
        );
        let output = self.run("sh", &["-c", &script]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Subject, usages, constraints, names and kind of key, as openssl reads them.
    pub(crate) fn facts(&self, file: &str) -> BTreeSet<String> {
        let subject = self.openssl(&format!(
            "x509 -in {file} -noout -subject -issuer -nameopt multiline,show_type"
        ));
        let extensions = "keyUsage,extendedKeyUsage,basicConstraints,subjectAltName";
        let extensions = self.openssl(&format!("x509 -in {file} -noout -ext {extensions}"));
        let text = self.openssl(&format!("x509 -in {file} -noout -text"));
        let rest = text
            .lines()
            .filter(|line| line.contains("Public-Key") || line.contains("Signature Algorithm"));
        subject
            .lines()
            .chain(extensions.lines())
            .chain(rest)
            .map(|line| line.trim().to_owned())
            .collect()
    }

    /// How long it is valid, in seconds.
    pub(crate) fn lifetime(&self, file: &str) -> i64 {
        let dates = self.openssl(&format!("x509 -in {file} -noout -dates -dateopt iso_8601"));
        let at = |name: &str| -> jiff::Timestamp {
            let line = dates.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.replace(' ', "T").parse().unwrap()
        };
        at("notAfter=").as_second() - at("notBefore=").as_second()
    }

    pub(crate) fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path().join(name)).unwrap().permissions().mode() & 0o777
    }
}

/// `openssl s_server`, stopped when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(place: &Place, certificate: &str, key: &str) -> Self {
        let mut child = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-cert",
                certificate,
                "-key",
                key,
                "-cert_chain",
                certificate,
                "-www",
            ])
            .current_dir(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl judges this test and cannot be run; install it");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok())
            .unwrap();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
