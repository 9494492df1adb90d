//! The program inside a solver pod, as a pod runs it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATH: &str = "/.well-known/acme-challenge/tok";

struct Solver(Child);

impl Drop for Solver {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(port: u16, key: &str) -> Solver {
    let arguments = [
        "acmesolver".to_owned(),
        format!("--listen-port={port}"),
        "--domain=demo.example".to_owned(),
        "--token=tok".to_owned(),
        format!("--key={key}"),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_certlet"));
    Solver(command.args(arguments).stderr(Stdio::piped()).spawn().unwrap())
}

fn get(port: u16, host: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    Some(reply)
}

#[test]
fn it_answers_its_challenge_and_the_probes_of_the_ingress_and_ends_when_told() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut solver = start(port, "tok.thumb");
    let healthy = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        get(port, "anything", "/healthz")
    });
    assert!(healthy.unwrap().starts_with("HTTP/1.1 200 "));
    assert!(
        get(port, "Demo.example:80", PATH)
            .unwrap()
            .ends_with("\r\n\r\ntok.thumb")
    );
    assert!(get(port, "other.example", PATH).unwrap().starts_with("HTTP/1.1 404 "));
    Command::new("kill").arg(solver.0.id().to_string()).status().unwrap();
    assert!(solver.0.wait().unwrap().success());
}

#[test]
fn a_key_that_does_not_belong_to_the_token_is_refused_at_the_start() {
    let mut solver = start(0, "other.thumb");
    assert!(!solver.0.wait().unwrap().success());
    let mut said = String::new();
    solver.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("--key"), "{said}");
}
