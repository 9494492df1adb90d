//! Commands that work in files and store their result in a cluster: the Secret that `kubectl create secret tls` makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::Bed;
use support::certlet::PROGRAM;
use support::command::{Finished, try_run};
use tempfile::TempDir;

/// Two files, a cluster, and certlet between them.
struct Scene {
    bed: Bed,
    namespace: String,
    files: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let bed = Bed::attach().await;
        let namespace = bed.new_namespace().await;
        let files = tempfile::tempdir().unwrap();
        Self { bed, namespace, files }
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).to_str().unwrap().to_owned()
    }

    /// One of the two old ways in one command.
    async fn issue(&self, more: &[&str]) -> Finished {
        let (certificate, key) = (self.file("tls.crt"), self.file("tls.key"));
        let mut args = vec![
            "ca",
            "issue",
            "--self-signed",
            "--name",
            "nginxsvc",
            "--organization",
            "nginxsvc",
        ];
        args.extend(["--cert-file", &certificate, "--key-file", &key, "-n", &self.namespace]);
        args.extend(more);
        self.certlet(&args).await
    }

    async fn certlet(&self, args: &[&str]) -> Finished {
        let kubeconfig = self.bed.kubeconfig();
        let mut args = args.to_vec();
        args.extend(["--kubeconfig", kubeconfig.to_str().unwrap()]);
        try_run(PROGRAM, &args, None).await
    }

    /// What kubectl would make of two files.
    async fn kubectl_secret(&self, name: &str, certificate: &str, key: &str) -> Value {
        let certificate = format!("--cert={}", self.file(certificate));
        let key = format!("--key={}", self.file(key));
        let flags = ["-n", &self.namespace, "--dry-run=client", "-o", "json"];
        let args = [&["create", "secret", "tls", name, &certificate, &key], &flags[..]].concat();
        bare(&self.bed.kubectl(&args).await)
    }

    async fn stored(&self, name: &str) -> Value {
        bare(
            &self
                .bed
                .kubectl(&["get", "secret", name, "-n", &self.namespace, "-o", "json"])
                .await,
        )
    }
}

/// The commands that README.md gives for the two old ways.
fn commands_of_the_readme() -> &'static str {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("The two old ways").expect("the README has them");
    let (_, block) = after.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0
}

/// A Secret without what only the server knows.
fn bare(secret: &str) -> Value {
    let secret: Value = serde_json::from_str(secret).unwrap();
    json!({
        "name": secret["metadata"]["name"], "namespace": secret["metadata"]["namespace"], "type": secret["type"],
        "labels": secret["metadata"]["labels"], "annotations": secret["metadata"]["annotations"], "data": secret["data"],
    })
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_stored_secret_and_the_printed_one_are_those_of_kubectl() {
    let scene = Scene::new().await;
    let done = scene.issue(&["--secret", "tls-secret"]).await;
    assert!(done.status.success(), "{done:?}");
    assert!(
        done.stdout.contains(&format!("Secret {}/tls-secret", scene.namespace)),
        "{done:?}"
    );
    let stored = scene.stored("tls-secret").await;
    assert_eq!(stored, scene.kubectl_secret("tls-secret", "tls.crt", "tls.key").await);

    let flags = ["--secret", "tls-secret", "--dry-run=client", "-o", "json", "--force"];
    let printed = scene.issue(&flags).await;
    let manifest = bare(&printed.stdout);
    assert_eq!(manifest["type"], stored["type"]);
    scene
        .bed
        .kubectl(&["delete", "secret", "tls-secret", "-n", &scene.namespace])
        .await;
    scene.bed.apply(&scene.namespace, &printed.stdout).await;
    assert_eq!(scene.stored("tls-secret").await["data"], manifest["data"]);

    let shown = scene
        .certlet(&["inspect", "secret", "tls-secret", "-n", &scene.namespace])
        .await;
    assert!(
        shown.status.success() && shown.stdout.contains("CN=nginxsvc,O=nginxsvc"),
        "{shown:?}"
    );
    assert!(!shown.stdout.contains("PRIVATE KEY-----"), "{shown:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_secret_that_is_there_is_replaced_only_when_told_and_only_if_it_is_of_the_same_type() {
    let scene = Scene::new().await;
    assert!(scene.issue(&["--secret", "web", "--no-files"]).await.status.success());
    let first = scene.stored("web").await;
    let refused = scene.issue(&["--secret", "web", "--no-files"]).await;
    assert!(
        refused.stderr.contains("exists already; --force overwrites its data"),
        "{refused:?}"
    );
    assert_eq!(scene.stored("web").await, first);
    let replaced = scene.issue(&["--secret", "web", "--no-files", "--force"]).await;
    assert!(replaced.status.success(), "{replaced:?}");
    assert_ne!(scene.stored("web").await["data"], first["data"]);

    let literal = "--from-literal=password=secret";
    scene
        .bed
        .kubectl(&["create", "secret", "generic", "opaque", literal, "-n", &scene.namespace])
        .await;
    let refused = scene.issue(&["--secret", "opaque", "--no-files", "--force"]).await;
    assert!(
        refused.stderr.contains("has the type \"Opaque\" and is not changed"),
        "{refused:?}"
    );
    let shown = scene
        .certlet(&["inspect", "secret", "opaque", "-n", &scene.namespace])
        .await;
    assert!(
        !shown.status.success() && shown.stdout.contains("! tls.crt is missing"),
        "{shown:?}"
    );
    let missing = scene
        .certlet(&["inspect", "secret", "nothing", "-n", &scene.namespace])
        .await;
    assert!(missing.stderr.contains("cannot read the Secret"), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_commands_of_the_readme_do_what_the_two_old_ways_do() {
    let scene = Scene::new().await;
    for (name, content) in [
        ("ca-csr.json", include_str!("data/cfssl/ca-csr.json")),
        ("ca-config.json", include_str!("data/cfssl/ca-config.json")),
        (
            "example.ctnrs.com-csr.json",
            include_str!("data/cfssl/example.ctnrs.com-csr.json"),
        ),
    ] {
        std::fs::write(scene.file(name), content).unwrap();
    }
    let kubeconfig = scene.file("kubeconfig");
    std::fs::copy(scene.bed.kubeconfig(), &kubeconfig).unwrap();
    let place = format!("--namespace={}", scene.namespace);
    let config = format!("--kubeconfig={kubeconfig}");
    support::run("kubectl", &["config", "set-context", "--current", &place, &config]).await;
    let program = std::path::Path::new(PROGRAM).parent().unwrap().display();
    let script = format!(
        "cd {}; PATH={program}:$PATH; export KUBECONFIG={kubeconfig}; {}",
        scene.files.path().display(),
        commands_of_the_readme()
    );
    support::run("sh", &["-euc", &script]).await;

    let openssl = async |args: &[&str]| support::openssl(args, "").await;
    let leaf = scene.file("example.ctnrs.com.pem");
    openssl(&[
        "verify",
        "-CAfile",
        &scene.file("ca.pem"),
        "-verify_hostname",
        "a.ctnrs.com",
        &leaf,
    ])
    .await;
    let subject = openssl(&["x509", "-noout", "-subject", "-in", &scene.file("tls.crt")]).await;
    assert!(
        subject.contains("nginxsvc") && subject.contains("O = nginxsvc"),
        "{subject}"
    );
    for (secret, certificate, key) in [
        (
            "example-ctnrs-com",
            "example.ctnrs.com.pem",
            "example.ctnrs.com-key.pem",
        ),
        ("tls-secret", "tls.crt", "tls.key"),
    ] {
        let of_kubectl = scene.kubectl_secret(secret, certificate, key).await;
        assert_eq!(scene.stored(secret).await, of_kubectl);
    }
}
