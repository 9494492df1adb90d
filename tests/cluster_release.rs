//! `deploy/release.sh`: a release is the same bytes twice, and the API server, helm and tar accept what it has. The program in it is another one,
//! because an optimized build takes minutes; `tests/cluster_workload` runs the image.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use support::bed::project;
use support::command::{on_path, run_with_input, try_run};
use support::{Bed, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn release(programs: &str, out: &Path) {
    let script = format!(
        "cd {} && CERTLET_RELEASE_ARCHITECTURES={} CERTLET_RELEASE_PROGRAMS={programs} \
         CERTLET_RELEASE_IMAGE=registry.example/certlet deploy/release.sh {} 2>&1",
        project().display(),
        architecture(),
        out.display()
    );
    run("bash", &["-euc", &script]).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_release_is_the_same_bytes_twice_and_can_be_installed() {
    let bed = Bed::attach().await;
    if on_path("helm").is_none() {
        let test = "a_release_is_the_same_bytes_twice_and_can_be_installed";
        bed.skip(test, "tests/testbed/build.sh helm has not been run");
        return;
    }
    let scene = tempfile::tempdir().unwrap();
    let at = |name: &str| scene.path().join(name);
    let program = at(&format!("certlet-{}", architecture()));
    let compiled = ["-static", "-x", "c", "-o", program.to_str().unwrap(), "-"];
    run_with_input("gcc", &compiled, "int main(void) { return 0; }").await;
    let programs = scene.path().to_str().unwrap();
    release(programs, &at("first")).await;
    release(programs, &at("second")).await;
    let (first, second) = (at("first"), at("second"));
    run("diff", &["-r", first.to_str().unwrap(), second.to_str().unwrap()]).await;

    let files = std::fs::read_dir(&first).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        format!("certlet-{VERSION}-linux-{}.tar.gz", architecture()),
        format!("certlet-{VERSION}-image-{}.tar", architecture()),
        format!("certlet-{VERSION}.tgz"),
        format!("certlet-{VERSION}.cdx.json"),
    ];
    let expected = expected.into_iter().chain(
        [
            "NOTICE",
            "RELEASE-NOTES.md",
            "SHA256SUMS",
            "certlet-crds.yaml",
            "certlet-requester-identity.yaml",
            "certlet.yaml",
        ]
        .map(str::to_owned),
    );
    let missing: Vec<String> = expected.filter(|name| !files.contains(name)).collect();
    assert_eq!(missing, Vec::<String>::new(), "{files:?}");
    let check = format!("cd {} && sha256sum --strict --check SHA256SUMS", first.display());
    let checked = run("bash", &["-euc", &check]).await;
    assert_eq!(checked.lines().count(), files.len() - 1, "{checked}");

    accepted(&bed, &first).await;
    the_image_has_labels_and_licences(&first).await;
    let bom = json(&first.join(format!("certlet-{VERSION}.cdx.json")));
    let crates = bom["components"].as_array().unwrap();
    let hashed = crates.iter().find(|entry| entry["name"] == "aws-lc-rs").unwrap();
    assert_eq!(hashed["hashes"][0]["content"].as_str().unwrap().len(), 64);
    assert!(
        !crates.iter().any(|entry| entry["name"] == "proptest"),
        "a crate of the tests"
    );
}

/// The API server takes the manifests, and helm the chart.
async fn accepted(bed: &Bed, release: &Path) {
    bed.apply(
        "default",
        "{apiVersion: v1, kind: Namespace, metadata: {name: cert-manager}}",
    )
    .await;
    for file in ["certlet-crds.yaml", "certlet.yaml", "certlet-requester-identity.yaml"] {
        let manifest = release.join(file);
        let dry = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            manifest.to_str().unwrap(),
        ];
        let applied = bed.try_kubectl(&dry).await;
        assert!(applied.status.success(), "{file}: {}", applied.stderr);
    }
    let manifest = std::fs::read_to_string(release.join("certlet.yaml")).unwrap();
    assert!(manifest.contains(&format!("image: registry.example/certlet:{VERSION}")));
    let chart = release.join(format!("certlet-{VERSION}.tgz"));
    let chart = chart.to_str().unwrap();
    let rendered = run(
        "helm",
        &[
            "template",
            "certlet",
            chart,
            "--namespace",
            "cert-manager",
            "--kube-version",
            "1.36.0",
        ],
    )
    .await;
    assert!(
        rendered.contains(&format!("registry.example/certlet:{VERSION}")),
        "{rendered}"
    );
}

async fn the_image_has_labels_and_licences(release: &Path) {
    let image = release.join(format!("certlet-{VERSION}-image-{}.tar", architecture()));
    let unpacked = tempfile::tempdir().unwrap();
    let folder = unpacked.path().to_str().unwrap();
    run("tar", &["-C", folder, "-xf", image.to_str().unwrap()]).await;
    let manifest = json(&unpacked.path().join("manifest.json"));
    assert_eq!(
        manifest[0]["RepoTags"][0],
        format!("registry.example/certlet:{VERSION}")
    );
    let config = json(&unpacked.path().join(manifest[0]["Config"].as_str().unwrap()));
    assert_eq!(config["architecture"], architecture());
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], VERSION);
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    let head = try_run("git", &["-C", project().to_str().unwrap(), "rev-parse", "HEAD"], None).await;
    if head.status.success() {
        assert_eq!(labels["org.opencontainers.image.revision"], head.stdout.trim());
    }
    let layer = unpacked.path().join("layer.tar");
    let listed = run("tar", &["-tf", layer.to_str().unwrap()]).await;
    let listed: Vec<&str> = listed.lines().filter(|name| !name.ends_with('/')).collect();
    assert_eq!(listed, ["./certlet", "./licenses/LICENSE", "./licenses/NOTICE"]);
}
