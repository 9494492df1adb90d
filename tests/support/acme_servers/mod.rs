//! ACME servers beside Pebble that a test starts: OpenBao, and Caddy with the server of smallstep's step-ca. Both find the names of the bed
//! and the records of BIND at [`RESOLVER`](super::dns::RESOLVER), unless a test says otherwise.

mod caddy;
mod openbao;

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{bed::Bed, on_path};

pub(crate) use caddy::Caddy;
pub(crate) use openbao::OpenBao;

/// Where both listen: an address of the bed that nothing else has. One of each runs at a time.
const ADDRESS: &str = "10.99.0.6";

/// What issuers and `openssl verify` have to know of an ACME server.
#[derive(Clone, Debug)]
pub(crate) struct AcmeServer {
    /// The URL of the directory.
    pub(crate) directory: String,
    /// The root of the certificates that it issues, as PEM, from the server itself.
    pub(crate) root: String,
    /// The CA of its own TLS certificate, as PEM, if it has one.
    pub(crate) tls_ca: Option<String>,
}

/// A running program with a folder of its own. Both end with the value.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a program in a new folder, with files of these names and contents. Its log is `logs/NAME.log` of the bed.
    pub(super) fn start(bed: &Bed, name: &str, command: &[&str], files: &[(&str, String)]) -> Self {
        Self::start_with(bed, name, command, files, &[])
    }

    /// As [`Process::start`], with these environment variables.
    pub(crate) fn start_with(
        bed: &Bed,
        name: &str,
        command: &[&str],
        files: &[(&str, String)],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let log = bed.path(&format!("logs/{name}.log"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(command[0])
            .args(&command[1..])
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether the bed has this program; says which test is skipped if not.
pub(crate) fn is_there(bed: &Bed, program: &str, test: &str) -> bool {
    let found = on_path(program).is_some();
    if !found {
        bed.skip(
            test,
            &format!("there is no {program}: tests/testbed/build.sh openbao caddy vault moto venafi says why"),
        );
    }
    found
}
