//! Other people's programs: openssl, curl, kubectl.

use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A program, or another part of the bed, in a folder of the PATH; `None` where it was not built.
pub(crate) fn on_path(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|found| found.exists())
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
}

/// Java's keytool, told not to optimise for the second that it lives.
pub(crate) async fn keytool(args: &[&str]) -> Finished {
    let quick = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"];
    try_run("keytool", &[&quick[..], args].concat(), None).await
}

/// Runs a program to its end, with text on its standard input if there is some.
pub(crate) async fn try_run<S: AsRef<str>>(program: &str, args: &[S], input: Option<&str>) -> Finished {
    let mut command = Command::new(program);
    command
        .args(args.iter().map(AsRef::as_ref))
        .kill_on_drop(true)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), input) {
        // A program that does not read its input to the end has a reason; its exit status tells.
        drop(pipe.write_all(text.as_bytes()).await);
    }
    let output = child.wait_with_output().await.unwrap();
    Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a program that has to succeed and returns what it printed.
pub(crate) async fn run<S: AsRef<str>>(program: &str, args: &[S]) -> String {
    succeeded(program, args, try_run(program, args, None).await)
}

/// Runs a program that has to succeed, with text on its standard input.
pub(crate) async fn run_with_input<S: AsRef<str>>(program: &str, args: &[S], input: &str) -> String {
    succeeded(program, args, try_run(program, args, Some(input)).await)
}

/// Runs openssl, with text on its standard input.
pub(crate) async fn openssl(args: &[&str], input: &str) -> String {
    run_with_input("openssl", args, input).await
}

/// Options of `openssl req` for a new P-256 key without a passphrase.
pub(crate) const NEW_P256: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// A signing request by openssl, as PEM, of a new key that nobody keeps: its subject (`/CN=web`), and further options of `openssl req`.
pub(crate) async fn openssl_csr(subject: &str, options: &[&str]) -> String {
    let asked = ["req", "-new", "-subj", subject, "-keyout", "/dev/null"];
    openssl(&[&asked[..], &NEW_P256, options].concat(), "").await
}

/// Checks a chain (leaf first) for a server name against a root, with `openssl verify`.
///
/// # Errors
/// What openssl says about it.
pub(crate) async fn openssl_verify(root: &str, chain: &[String], host: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let leaf = chain.first().ok_or("the chain is empty")?;
    let root = file("root.pem", root);
    let untrusted = file("untrusted.pem", &chain[1..].concat());
    let leaf = file("leaf.pem", leaf);
    let mut args = vec![
        "verify",
        "-CAfile",
        &root,
        "-purpose",
        "sslserver",
        "-verify_hostname",
        host,
    ];
    if chain.len() > 1 {
        args.extend(["-untrusted", &untrusted]);
    }
    args.push(&leaf);
    let Finished { status, stdout, stderr } = try_run("openssl", &args, None).await;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{stdout}{stderr}"))
    }
}

/// The chain that a server presents for a name, leaf first, each as PEM. Empty if nobody answers there.
pub(crate) async fn served_chain(host: &str, address: &str) -> Vec<String> {
    let args = ["s_client", "-connect", address, "-servername", host, "-showcerts"];
    split_pem(&try_run("openssl", &args, Some("")).await.stdout)
}

/// The certificates in a text, each as PEM of its own.
pub(crate) fn split_pem(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    text.split(BEGIN)
        .skip(1)
        .filter_map(|part| part.split_once(END).map(|(body, _)| format!("{BEGIN}{body}{END}\n")))
        .collect()
}

/// Asks a server for a URL whose host lies at `address` (`IP:port`), and returns status and body. Status 0: no answer.
pub(crate) async fn curl_status(url: &str, address: &str) -> (u16, String) {
    let host = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    let connect = format!("{host}::{address}");
    // --connect-to takes HOST1:PORT1:HOST2:PORT2; an empty PORT1 means any.
    let args = [
        "-sk",
        "--max-time",
        "10",
        "--connect-to",
        &connect,
        "-w",
        "\n%{http_code}",
        url,
    ];
    let printed = try_run("curl", &args, None).await.stdout;
    let (body, status) = printed.rsplit_once('\n').unwrap_or(("", &printed));
    (status.trim().parse().unwrap_or(0), body.to_owned())
}

/// What a program printed that had to succeed.
pub(crate) fn succeeded<S: AsRef<str>>(program: &str, args: &[S], finished: Finished) -> String {
    let Finished { status, stdout, stderr } = finished;
    if !status.success() {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        panic!("{program} {} ended with {status}\n{stdout}\n{stderr}", args.join(" "));
    }
    stdout
}
