//! Programs that judge in tests: openssl and keytool. A test that needs one that is missing fails and says so.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a program said.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) ok: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) text: String,
}

impl Verdict {
    /// The output of a program that must succeed.
    pub(crate) fn accepted(self) -> Vec<u8> {
        assert!(self.ok, "the judge refused:\n{}", self.text);
        self.stdout
    }

    /// The output as text of a program that must succeed.
    pub(crate) fn said(self) -> String {
        assert!(self.ok, "the judge refused:\n{}", self.text);
        self.text
    }
}

/// A directory for the files of one test.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn put(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    /// Runs openssl here; file names in the arguments are those of [`Desk::put`].
    pub(crate) fn openssl(&self, arguments: &str) -> Verdict {
        self.run("openssl", &arguments.split_whitespace().collect::<Vec<_>>(), b"")
    }

    pub(crate) fn openssl_with(&self, arguments: &str, stdin: &[u8]) -> Verdict {
        self.run("openssl", &arguments.split_whitespace().collect::<Vec<_>>(), stdin)
    }

    pub(crate) fn keytool(&self, arguments: &str) -> Verdict {
        self.run("keytool", &arguments.split_whitespace().collect::<Vec<_>>(), b"")
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str], stdin: &[u8]) -> Verdict {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} judges this test and cannot be run ({error}): install it (openssl; default-jre-headless for keytool)")
            });
        // A program that does not read its input may be gone already.
        let _gone = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Verdict {
            ok: output.status.success(),
            stdout: output.stdout,
            text,
        }
    }
}
