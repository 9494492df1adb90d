//! Test oracles: openssl, keytool, and Go's parsers. A test whose oracle is missing fails with a message. Without Go,
//! which has to compile its program first, it prints that it was skipped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde::Deserialize;

/// The result of a program.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) ok: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) text: String,
}

impl Verdict {
    /// The output of a program that must succeed.
    pub(crate) fn accepted(self) -> Vec<u8> {
        assert!(self.ok, "the oracle refused:\n{}", self.text);
        self.stdout
    }

    /// The output, as text, of a program that must succeed.
    pub(crate) fn output(self) -> String {
        assert!(self.ok, "the oracle refused:\n{}", self.text);
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

    /// Runs openssl in this directory. File names in the arguments are those of [`Desk::put`].
    pub(crate) fn openssl(&self, arguments: &str) -> Verdict {
        self.run("openssl", &arguments.split_whitespace().collect::<Vec<_>>(), b"")
    }

    pub(crate) fn openssl_with(&self, arguments: &str, stdin: &[u8]) -> Verdict {
        self.run("openssl", &arguments.split_whitespace().collect::<Vec<_>>(), stdin)
    }

    pub(crate) fn keytool(&self, arguments: &str) -> Verdict {
        // half of the processor time of a process that lives for a second
        let quick = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"];
        let arguments: Vec<_> = quick.into_iter().chain(arguments.split_whitespace()).collect();
        self.run("keytool", &arguments, b"")
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
                panic!("{program} checks this test and cannot be run ({error}): install it (openssl; default-jre-headless for keytool)")
            });
        // A program that does not read its input may have ended already.
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

/// Reads signing requests as Kubernetes and cert-manager do: `tests/oracle/csr`.
#[derive(Debug)]
pub(crate) struct GoReader(Mutex<(Child, ChildStdin, BufReader<ChildStdout>)>);

/// Go's result for a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoReading {
    /// Empty without a PEM block.
    pub(crate) label: String,
    pub(crate) headers: usize,
    /// In base64.
    pub(crate) der: String,
    pub(crate) error: String,
    pub(crate) signature: String,
    subject: String,
    #[serde(deserialize_with = "or_none")]
    pub(crate) dns: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) emails: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) ips: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) uris: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) extensions: Vec<GoExtension>,
}

/// One requested extension.
#[derive(Debug, Deserialize)]
pub(crate) struct GoExtension {
    pub(crate) oid: String,
    pub(crate) critical: bool,
    /// Hexadecimal.
    pub(crate) value: String,
}

impl GoReading {
    /// The DER of the subject.
    pub(crate) fn subject(&self) -> Vec<u8> {
        let digits = self.subject.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }
}

impl GoReader {
    /// `None` without Go, after a line that reports it.
    pub(crate) fn start() -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| go_program("csr")).as_ref()?;
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipes = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        Some(Self(Mutex::new((child, pipes.0, pipes.1))))
    }

    pub(crate) fn read(&self, text: &[u8]) -> GoReading {
        let mut pipes = self.0.lock().unwrap();
        let (_, input, output) = &mut *pipes;
        input
            .write_all(&u32::try_from(text.len()).unwrap().to_be_bytes())
            .unwrap();
        input.write_all(text).unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for GoReader {
    fn drop(&mut self) {
        let (child, ..) = self.0.get_mut().unwrap();
        drop(child.kill());
        drop(child.wait());
    }
}

/// Builds a program of `tests/oracle` into the target directory.
fn go_program(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = root.join("target/oracle");
    std::fs::create_dir_all(&built).unwrap();
    // Go keeps what it compiled and writes the program in one step, so that several tests may do this at once.
    let program = built.join(format!("{name}.{}", std::process::id()));
    let source = root.join(format!("tests/oracle/{name}/main.go"));
    let mut command = Command::new("go");
    command
        .env("GOTOOLCHAIN", "local")
        .arg("build")
        .arg("-o")
        .arg(&program)
        .arg(source);
    match command.current_dir(&built).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // not to the test harness, which prints only the output of failed tests
            let test = std::thread::current();
            let name = test.name().unwrap_or_default();
            writeln!(std::io::stdout(), "\nSKIPPED {name}: Go is not installed").unwrap();
            None
        }
        Err(error) => panic!("go cannot be run: {error}"),
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let kept = built.join(name);
            std::fs::rename(&program, &kept).unwrap();
            Some(kept)
        }
    }
}

/// Go writes a list without elements as null.
fn or_none<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
