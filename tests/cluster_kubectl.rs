//! certlet as a plugin of kubectl, and beside kubectl and cmctl: the same flags reach the same cluster, the same template makes the same
//! request. And every command of docs/cli.md, as it stands there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::certlet::PROGRAM;
use support::command::{Finished, split_pem, try_run};
use support::shop::{Shop, text};
use support::{IN_TIME, eventually, openssl, openssl_verify};
use tempfile::TempDir;

/// A directory to work in, with the program under its three names, and a kubeconfig with the contexts `here` (the shop) and `there`.
struct Desk(TempDir);

impl Desk {
    fn new(shop: &Shop) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // apart from the files of commands, which must not be written through a link
        for part in ["bin", "work"] {
            std::fs::create_dir(folder.path().join(part)).unwrap();
        }
        for name in ["certlet", "kubectl-certlet", "kubectl_complete-certlet"] {
            symlink(PROGRAM, folder.path().join("bin").join(name)).unwrap();
        }
        let mut config: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(shop.bed.kubeconfig()).unwrap()).unwrap();
        let context = config["contexts"][0]["context"].clone();
        let in_namespace = |name: &str, namespace: &str| {
            let mut context = context.clone();
            context["namespace"] = namespace.into();
            json!({"name": name, "context": context})
        };
        config["contexts"] = json!([in_namespace("here", &shop.namespace), in_namespace("there", "default")]);
        config["current-context"] = "here".into();
        std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
        Self(folder)
    }

    /// Where the files of commands are.
    fn path(&self) -> PathBuf {
        self.0.path().join("work")
    }

    /// Runs a line of a shell here, with a list of kubeconfigs of which the first does not exist.
    async fn shell(&self, line: &str) -> Finished {
        let here = self.0.path().display();
        let script =
            format!("cd {here}/work; export PATH={here}/bin:$PATH KUBECONFIG={here}/missing:{here}/config; {line}");
        try_run("bash", &["-euc", &script], None).await
    }

    async fn says(&self, line: &str) -> String {
        let ended = self.shell(line).await;
        assert!(ended.status.success(), "{line}: {ended:?}");
        ended.stdout
    }

    fn put(&self, name: &str, content: &Value) {
        std::fs::write(self.path().join(name), content.to_string()).unwrap();
    }
}

async fn shop_with(names: &[&str], args: &[&str]) -> Shop {
    let shop = Shop::open(args).await;
    for name in names {
        shop.certificate(name, json!({})).await;
        shop.is_ready(name).await;
    }
    shop
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_flags_reach_what_kubectl_reaches_and_kubectl_finds_the_plugin_and_its_completions() {
    let shop = shop_with(&["web"], &[]).await;
    let desk = Desk::new(&shop);
    // the same refusals as kubectl: another namespace, another user
    for flags in [
        "--context there",
        "--as nobody",
        "--as nobody --as-group nowhere",
        "-n default",
    ] {
        let theirs = desk.shell(&format!("kubectl get certificate web {flags}")).await;
        let ours = desk.shell(&format!("certlet renew web {flags}")).await;
        let theirs = theirs.stderr.split("): ").nth(1).unwrap().trim().to_owned();
        assert!(ours.stderr.contains(&theirs), "{flags}: {theirs}\n{ours:?}");
    }
    let flags = "--context there --as someone --as-group system:masters";
    desk.says(&format!("certlet status certificate web -n {} {flags}", shop.namespace))
        .await;
    for flags in ["--context nowhere", "--cluster nowhere", "--user nowhere"] {
        let ours = desk.shell(&format!("certlet renew web {flags}")).await;
        assert!(!desk.shell(&format!("kubectl get ns {flags}")).await.status.success());
        assert!(ours.stderr.contains("\"nowhere\" does not exist"), "{ours:?}");
    }
    // versions, through the plugin
    let versions: Value = serde_json::from_str(&desk.says("kubectl certlet version -o json").await).unwrap();
    let theirs: Value = serde_json::from_str(&desk.says("kubectl version -o json").await).unwrap();
    assert_eq!(
        versions["serverVersion"]["kubernetes"],
        theirs["serverVersion"]["gitVersion"]
    );
    assert_eq!(versions["clientVersion"]["version"], env!("CARGO_PKG_VERSION"));
    let help = desk.says("kubectl certlet renew --help").await;
    assert!(help.contains("Usage: kubectl certlet renew"), "{help}");
    let completions = desk.says("kubectl __complete certlet renew ''").await;
    let names: Vec<&str> = completions
        .lines()
        .filter(|line| !line.starts_with(['-', ':']))
        .collect();
    assert_eq!(names, ["root", "web"], "{completions}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn version_names_the_controller_with_its_gates_and_whether_it_holds_the_lease() {
    let shop = Shop::empty(&[]).await;
    let desk = Desk::new(&shop);
    let labels = json!({"app.kubernetes.io/name": "certlet"});
    let container = json!({"name": "certlet", "image": "example.com/certlet:7.8.9", "args": [
        "run", "--feature-gates=ServerSideApply=true", format!("--leader-election-namespace={}", shop.namespace)]});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "certlet", "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}});
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "cert-manager-controller"},
        "spec": {"holderIdentity": "certlet-5d8f_0123", "leaseDurationSeconds": 3600, "renewTime": "2099-01-01T00:00:00.000000Z"}});
    shop.apply(&deployment.to_string()).await;
    shop.apply(&lease.to_string()).await;
    let versions: Value = serde_json::from_str(&desk.says("certlet version -o json").await).unwrap();
    let all = versions["serverVersion"]["controllers"].as_array().unwrap();
    let ours = all
        .iter()
        .find(|one| one["namespace"] == shop.namespace.as_str())
        .unwrap();
    assert_eq!(
        (&ours["version"], &ours["featureGates"], &ours["leads"]),
        (&json!("7.8.9"), &json!(["ServerSideApply=true"]), &json!(true)),
        "{versions:#}"
    );
    // without the right to see it, the rest is shown
    let seen = desk
        .shell("certlet version --as nobody --as-group system:authenticated")
        .await;
    assert!(seen.status.success() && seen.stdout.contains("Kubernetes"), "{seen:?}");
    assert!(seen.stderr.contains("cannot be listed"), "{seen:?}");
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn renew_wait_ends_when_the_new_revision_is_ready_or_says_why_it_is_not() {
    let shop = shop_with(&["web", "api"], &[]).await;
    let desk = Desk::new(&shop);
    let renewed: Value = serde_json::from_str(&desk.says("certlet renew web api --wait -o json").await).unwrap();
    for (at, name) in ["web", "api"].into_iter().enumerate() {
        assert_eq!(
            (&renewed[at]["name"], &renewed[at]["ready"], &renewed[at]["revision"]),
            (&json!(name), &json!(true), &json!(2))
        );
        assert_eq!(shop.certificates.get(name).await.unwrap().data["status"]["revision"], 2);
    }
    shop.certificate("late", json!({"issuerRef": {"name": "missing"}}))
        .await;
    let late = desk.shell("certlet renew late --wait --timeout 3s").await;
    assert_eq!(late.status.code(), Some(3), "{late:?}");
    assert!(
        late.stdout
            .contains("is not renewed: its issuance is not complete after 3s: "),
        "{late:?}"
    );
    assert!(late.stdout.contains("missing"), "{late:?}");
}

/// A request without what differs from key to key.
async fn content_of(csr: &str) -> String {
    let text = openssl(&["req", "-noout", "-text", "-nameopt", "RFC2253"], csr).await;
    let (before, after) = text.split_once("Subject Public Key Info").unwrap();
    let extensions = after.split_once("Requested Extensions").map_or("", |(_, rest)| rest);
    let extensions = extensions.split("Signature Algorithm").next().unwrap();
    format!("{before}{extensions}")
}

fn template() -> Value {
    json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"name": "t", "labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"secretName": "t", "commonName": "t.example.com", "dnsNames": ["t.example.com", "u.example.com"],
            "ipAddresses": ["10.0.0.1"], "subject": {"organizations": ["Shop"]}, "duration": "48h", "usages": ["server auth", "digital signature"],
            "privateKey": {"algorithm": "ECDSA", "size": 384, "encoding": "PKCS8"}, "issuerRef": {"name": "ca"}}})
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn create_certificaterequest_makes_the_request_that_cmctl_makes_and_fetches_its_certificate() {
    let shop = Shop::open(&[]).await;
    let desk = Desk::new(&shop);
    desk.put("t.yaml", &template());
    desk.says("cmctl create certificaterequest theirs --from-certificate-file t.yaml --fetch-certificate")
        .await;
    let created = desk
        .says("certlet create certificaterequest ours --from-certificate-file t.yaml --fetch-certificate")
        .await;
    assert!(
        created.contains("ours.key") && created.contains("ours.crt"),
        "{created}"
    );
    let mut specs = Vec::new();
    for name in ["theirs", "ours"] {
        let request = shop.requests.get(name).await.unwrap();
        let mut spec = request.data["spec"].clone();
        let csr = base64_decoded(spec["request"].as_str().unwrap());
        spec["request"] = content_of(&csr).await.into();
        let meta = (request.metadata.labels.clone(), request.metadata.annotations.clone());
        let file = |ending: &str| desk.path().join(format!("{name}.{ending}")).display().to_string();
        let key = std::fs::read_to_string(file("key")).unwrap();
        specs.push((spec, meta, key.lines().next().unwrap().to_owned()));
        let of_leaf = openssl(&["x509", "-noout", "-pubkey", "-in", &file("crt")], "").await;
        let of_key = openssl(&["pkey", "-pubout", "-in", &file("key")], "").await;
        assert_eq!(of_leaf, of_key);
        let chain = split_pem(&std::fs::read_to_string(file("crt")).unwrap());
        let root = text(&shop.secret("root").await, "tls.crt");
        assert_eq!(openssl_verify(&root, &chain, "u.example.com").await, Ok(()));
    }
    assert_eq!(specs[0], specs[1]);
    let mode = desk.says("stat -c %a ours.key").await;
    assert_eq!(mode, "600\n");
    // a file that is there stays, and a request that is there leaves no new key
    let again = desk.shell("certlet create cr ours -f t.yaml").await;
    assert!(
        again.stderr.contains("ours.key exists already; --force overwrites it"),
        "{again:?}"
    );
    let taken = desk.shell("certlet create cr ours -f t.yaml -k other.key").await;
    assert!(taken.stderr.contains("\"ours\" already exists"), "{taken:?}");
    assert!(!desk.path().join("other.key").exists());
    desk.put("lost.yaml", &json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "l"},
        "spec": {"secretName": "l", "dnsNames": ["l.example.com"], "privateKey": {"algorithm": "ECDSA"}, "issuerRef": {"name": "missing"}}}));
    let lost = desk
        .shell("certlet create cr lost -f lost.yaml -w --timeout 2s -o json")
        .await;
    assert_eq!(lost.status.code(), Some(3), "{lost:?}");
    let report: Value = serde_json::from_str(&lost.stdout).unwrap();
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .starts_with("it was not signed within 2s: "),
        "{report:#}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn create_certificatesigningrequest_makes_the_request_that_cmctl_makes_and_waits_for_the_approval() {
    let shop = Shop::open(&["--feature-gates=ExperimentalCertificateSigningRequestControllers=true"]).await;
    let desk = Desk::new(&shop);
    let mut template = template();
    // cmctl does not take it from the context
    template["metadata"]["namespace"] = shop.namespace.as_str().into();
    desk.put("t.yaml", &template);
    let (theirs, ours) = (format!("{}-theirs", shop.namespace), format!("{}-ours", shop.namespace));
    desk.says(&format!("cmctl x create csr {theirs} -f t.yaml")).await;
    let line = format!("certlet create csr {ours} -f t.yaml -k ours.key -c ours.crt -w");
    let approve = format!("kubectl certificate approve {ours}");
    let (fetched, ()) = tokio::join!(desk.says(&line), async {
        eventually("the request can be approved", IN_TIME, async || {
            desk.shell(&approve).await.status.success().then_some(())
        })
        .await;
    });
    assert!(fetched.contains("ours.crt"), "{fetched}");
    let mut specs = Vec::new();
    for name in [&theirs, &ours] {
        let request: Value =
            serde_json::from_str(&desk.says(&format!("kubectl get csr {name} -o json")).await).unwrap();
        let mut spec = request["spec"].clone();
        let csr = base64_decoded(spec["request"].as_str().unwrap());
        spec["request"] = content_of(&csr).await.into();
        let usages = spec["usages"].as_array_mut().unwrap();
        usages.sort_by_key(ToString::to_string);
        specs.push((
            spec,
            request["metadata"]["labels"].clone(),
            request["metadata"]["annotations"].clone(),
        ));
    }
    assert_eq!(specs[0], specs[1]);
    let of_leaf = desk.says("openssl x509 -noout -pubkey -in ours.crt").await;
    assert_eq!(of_leaf, desk.says("openssl pkey -pubout -in ours.key").await);
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn inspect_secret_says_what_the_controller_then_does() {
    let shop = shop_with(&["web"], &[]).await;
    let desk = Desk::new(&shop);
    let renewal = shop.certificates.get("web").await.unwrap().data["status"]["renewalTime"].clone();
    let report: Value = serde_json::from_str(&desk.says("certlet inspect secret web -o json").await).unwrap();
    assert_eq!(
        report["certificates"],
        json!([{"name": "web", "reissue": false, "renewalTime": renewal}])
    );
    // nothing issues it meanwhile
    shop.certlet.kill();
    shop.patch_spec("web", json!({"dnsNames": ["web.example.com", "other.example.com"]}))
        .await;
    let found = desk
        .shell("certlet inspect secret web -o json --revocation=false")
        .await;
    assert_eq!(found.status.code(), Some(3), "{found:?}");
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    let verdict = &report["certificates"][0];
    assert_eq!(
        (&verdict["reissue"], &verdict["reason"]),
        (&json!(true), &json!("RequestChanged"))
    );
    let plan = desk.shell("certlet plan").await;
    assert!(
        plan.stdout.contains(verdict["message"].as_str().unwrap()),
        "{plan:?}\n{report:#}"
    );
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn the_commands_of_the_page_work_as_they_stand_there() {
    let shop = shop_with(&["web"], &[]).await;
    let desk = Desk::new(&shop);
    desk.says("kubectl label certificate web tier=front").await;
    let page = include_str!("../docs/cli.md");
    let blocks: Vec<&str> = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 8, "the blocks of the page are no longer found");
    for block in blocks {
        let block = block.replace("-n shop", &format!("-n {}", shop.namespace));
        let done = desk.shell(&format!("set -o pipefail\n{block}")).await;
        assert!(done.status.success(), "{block}\n{done:?}");
    }
}

fn base64_decoded(text: &str) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}
