//! What a release is made from: licences, the Dockerfile against the image that is tested, and what is missing on a machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::process::{Command, Output};

const DOCKERFILE: &str = include_str!("../Dockerfile");
const IMAGE: &str = include_str!("../deploy/image.sh");

fn run(program: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command.envs(variables.iter().copied());
    command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// The value that follows a text, up to a blank or a quote.
fn after<'a>(text: &'a str, before: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before}"));
    rest.split(['\n', ' ', '"', '-']).next().unwrap()
}

#[test]
fn the_notice_has_the_licences_of_the_crates_that_are_locked() {
    let checked = run("deploy/release/dependencies.py", &[], &["notice", "--check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_dockerfile_builds_what_the_image_script_builds() {
    let toolchain = include_str!("../rust-toolchain.toml");
    let rust = after(DOCKERFILE, "FROM rust:");
    assert!(after(toolchain, "channel = \"").starts_with(rust), "{rust}");
    assert_eq!(after(DOCKERFILE, "ARG VERSION="), env!("CARGO_PKG_VERSION"));
    assert_eq!(after(DOCKERFILE, "image.licenses=\""), "Apache");
    let features = "--locked --features jemalloc ";
    assert!(DOCKERFILE.contains(features) && IMAGE.contains(features));
    for port in ["8089", "9402", "9403"] {
        assert!(
            DOCKERFILE
                .lines()
                .any(|line| line.starts_with("EXPOSE") && line.contains(port))
        );
    }
    assert!(DOCKERFILE.contains("USER 65532:65532") && IMAGE.contains(r#""User":"65532:65532""#));
}

#[test]
fn the_oldest_rust_is_the_only_one_that_is_used() {
    let toolchain = after(include_str!("../rust-toolchain.toml"), "channel = \"");
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    assert!(toolchain.starts_with(oldest), "{oldest}");
}

#[test]
fn a_release_names_what_is_missing_before_it_builds() {
    let scene = tempfile::tempdir().unwrap();
    let out = scene.path().join("release");
    let (out, empty) = (out.to_str().unwrap(), scene.path().to_str().unwrap());
    let variables = [
        ("CERTLET_RELEASE_ARCHITECTURES", "amd64 riscv64"),
        ("CERTLET_RELEASE_PROGRAMS", empty),
    ];
    let ended = run("deploy/release.sh", &variables, &[out]);
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(complaint.contains("/certlet-amd64 does not exist"), "{complaint}");
    assert!(complaint.contains("no releases for riscv64"), "{complaint}");
    assert!(!std::fs::exists(out).unwrap());
}
