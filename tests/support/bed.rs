//! The running test bed, seen from a test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery;

use super::command::{Finished, run, succeeded, try_run};
use super::names::Names;
use super::pebble::Pebble;
use super::wait::{IN_TIME, eventually};

/// A handle to the test bed that `with-bed.sh` started around this process.
#[derive(Clone)]
pub(crate) struct Bed {
    dir: PathBuf,
    client: kube::Client,
}

impl Bed {
    /// Attaches to the bed that `CERTLET_TESTBED` names.
    ///
    /// # Panics
    /// Outside a bed: cluster tests run through `make cluster` or `tests/testbed/with-bed.sh`.
    pub(crate) async fn attach() -> Self {
        let dir = std::env::var_os("CERTLET_TESTBED").map_or_else(
            || {
                panic!(
                    "this test needs the test bed: run `make cluster`, or `tests/testbed/with-bed.sh cargo test ...`"
                )
            },
            PathBuf::from,
        );
        let client = client_of(&dir.join("kubeconfig")).await;
        Self { dir, client }
    }

    /// A file of the bed, for example `pki/acme-ca.crt`.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// A file of the bed, read.
    pub(crate) fn read(&self, relative: &str) -> String {
        let path = self.path(relative);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// The kubeconfig of an administrator (group `system:masters`).
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// A client with an administrator's rights.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Whether the server has policies that write into objects (Kubernetes 1.36), so that deploy/requester-identity can be applied.
    pub(crate) async fn can_write_requesters(&self) -> bool {
        let group = self.client.list_api_group_resources("admissionregistration.k8s.io/v1");
        let resources = group.await.unwrap().resources;
        resources
            .iter()
            .any(|resource| resource.kind == "MutatingAdmissionPolicy")
    }

    /// The ACME server that every bed has.
    pub(crate) fn pebble(&self) -> Pebble {
        Pebble::of_bed(self)
    }

    /// The DNS that the ACME server and, if told so, certlet ask.
    #[expect(clippy::unused_self, reason = "there is a DNS only where there is a bed")]
    pub(crate) fn names(&self) -> Names {
        Names::of_bed()
    }

    /// Gives a name an address, for every program of the bed that looks it up as the machine does.
    pub(crate) fn name(&self, host: &str, address: &str) {
        let line = format!("{address} {host}\n");
        if !self.read("hosts").contains(&line) {
            let file = std::fs::OpenOptions::new().append(true).open(self.path("hosts"));
            file.unwrap().write_all(line.as_bytes()).unwrap();
        }
    }

    /// Deletes the Leases that killed replicas of earlier tests have left: nobody is to wait a minute for the dead.
    pub(crate) async fn forget_leaders(&self) {
        for lease in ["cert-manager-controller", "cert-manager-cainjector-leader-election"] {
            let name = format!("--field-selector=metadata.name={lease}");
            self.kubectl(&["delete", "leases", "--all-namespaces", &name]).await;
        }
    }

    /// Makes a namespace that no other test uses. It is left behind: deleting one takes five seconds.
    pub(crate) async fn new_namespace(&self) -> String {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        // The number of this process is unique in the bed, because the bed has its own PID namespace.
        let name = format!("t{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..Default::default()
            },
            ..Default::default()
        };
        Api::<Namespace>::all(self.client())
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        name
    }

    /// Runs kubectl as an administrator and returns what it printed.
    ///
    /// # Panics
    /// If kubectl fails, with what it said.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> String {
        run("kubectl", &self.with_kubeconfig(args)).await
    }

    /// Runs kubectl as an administrator; failing is an answer too.
    pub(crate) async fn try_kubectl(&self, args: &[&str]) -> Finished {
        try_run("kubectl", &self.with_kubeconfig(args), None).await
    }

    /// A program that uses a cluster, with a namespace; what follows `--` stays at the end.
    pub(crate) async fn command(&self, program: &str, namespace: &str, args: &[&str]) -> Finished {
        let kubeconfig = self.kubeconfig();
        let place = ["-n", namespace, "--kubeconfig", kubeconfig.to_str().unwrap()];
        let end = args.iter().position(|arg| *arg == "--").unwrap_or(args.len());
        let (own, rest) = args.split_at(end);
        try_run(program, &[own, &place, rest].concat(), None).await
    }

    /// `kubectl apply -f -` in a namespace.
    ///
    /// # Panics
    /// If it is refused. An admission policy that does not know our kinds yet is waited for: it reads them a moment after they are there.
    pub(crate) async fn apply(&self, namespace: &str, manifests: &str) -> String {
        const NOT_READ_YET: &str = "There can be a delay between when CustomResourceDefinitions are created";
        let what = "admission policies know the kinds";
        let finished = eventually(what, IN_TIME, async || {
            let finished = self.try_apply(namespace, manifests).await;
            (!finished.stderr.contains(NOT_READ_YET)).then_some(finished)
        });
        succeeded("kubectl", &["apply", "-n", namespace, "-f", "-"], finished.await)
    }

    /// `kubectl apply -f -` in a namespace; being refused is an answer too.
    pub(crate) async fn try_apply(&self, namespace: &str, manifests: &str) -> Finished {
        try_run(
            "kubectl",
            &self.with_kubeconfig(&["apply", "-n", namespace, "-f", "-"]),
            Some(manifests),
        )
        .await
    }

    /// Applies the generated custom resource definitions of this project and waits until the server has them. Does nothing while the server
    /// has those that this process applied: two runs of kubectl for each test were a third of what a bed cost.
    pub(crate) async fn install_crds(&self) {
        static APPLIED: tokio::sync::Mutex<Vec<ObjectMeta>> = tokio::sync::Mutex::const_new(Vec::new());
        let mut applied = APPLIED.lock().await;
        if !applied.is_empty() && *applied == self.definitions().await {
            return;
        }
        let crds = project().join("crds");
        self.kubectl(&["apply", "-f", crds.to_str().unwrap()]).await;
        self.kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "-f",
            crds.to_str().unwrap(),
        ])
        .await;
        *applied = self.definitions().await;
    }

    /// What tells whether one of cert-manager's definitions is another one, or about to go.
    async fn definitions(&self) -> Vec<ObjectMeta> {
        let definitions = Api::<CustomResourceDefinition>::all(self.client());
        let found = definitions.list_metadata(&ListParams::default()).await.unwrap().items;
        found
            .into_iter()
            .map(|definition| ObjectMeta {
                name: definition.metadata.name,
                uid: definition.metadata.uid,
                generation: definition.metadata.generation,
                deletion_timestamp: definition.metadata.deletion_timestamp,
                ..ObjectMeta::default()
            })
            .filter(|definition| {
                definition
                    .name
                    .as_ref()
                    .is_some_and(|name| name.ends_with("cert-manager.io"))
            })
            .collect()
    }

    /// Objects of a kind as plain JSON, whether or not this project has a type for it.
    pub(crate) async fn objects(&self, api_version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
        let (resource, _) = discovery::pinned_kind(&self.client, &kind)
            .await
            .unwrap_or_else(|error| panic!("the API server does not know {kind:?}: {error}"));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        }
    }

    /// A kubeconfig with the administrator's credentials and another address for the API server
    /// (a [`FaultProxy`](super::FaultProxy)).
    pub(crate) fn kubeconfig_for(&self, server: &str) -> PathBuf {
        let text = self.read("kubeconfig").replace("https://127.0.0.1:6443", server);
        self.new_kubeconfig(&text)
    }

    /// A kubeconfig with the rights of a service account, which is made if it is not there.
    pub(crate) async fn kubeconfig_of_service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let accounts = Api::<ServiceAccount>::namespaced(self.client(), namespace);
        if accounts.get_opt(name).await.unwrap().is_none() {
            self.kubectl(&["create", "serviceaccount", "-n", namespace, name]).await;
        }
        let token = self
            .kubectl(&["create", "token", "-n", namespace, name, "--duration=8h"])
            .await;
        let text = self
            .read("kubeconfig")
            .replace("token: bed-admin", &format!("token: {}", token.trim()));
        self.new_kubeconfig(&text)
    }

    /// Gives the bed a real node (containerd, kubelet, scheduler, kube-proxy), once, with these images imported.
    ///
    /// # Errors
    /// Why there can be none here; hand it to [`Self::skip`].
    pub(crate) async fn start_node(&self, images: &[&Path]) -> Result<(), String> {
        static STARTED: tokio::sync::Mutex<bool> = tokio::sync::Mutex::const_new(false);
        let mut started = STARTED.lock().await;
        let running = *started || self.path("run/kubelet.pid").exists();
        let images = images.iter().map(|image| image.display().to_string());
        if running {
            let socket = self.path("node/run/containerd.sock").display().to_string();
            for image in images {
                run("ctr", &["-a", &socket, "-n", "k8s.io", "images", "import", &image]).await;
            }
            return Ok(());
        }
        let script = project().join("tests/testbed/node.sh").display().to_string();
        let args: Vec<String> = std::iter::once(self.path("").display().to_string())
            .chain(images)
            .collect();
        let Finished { status, stderr, .. } = try_run(&script, &args, None).await;
        *started = status.success();
        if status.success() {
            Ok(())
        } else {
            Err(stderr.trim().to_owned())
        }
    }

    /// Says, loudly and in the final count, that a test could not run here, and why.
    pub(crate) fn skip(&self, test: &str, reason: &str) {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("logs/skipped.txt"))
            .unwrap();
        writeln!(file, "SKIPPED {test}: {reason}").unwrap();
    }

    fn new_kubeconfig(&self, text: &str) -> PathBuf {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = self.path(&format!("run/kubeconfig-{}-{number}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn with_kubeconfig(&self, args: &[&str]) -> Vec<String> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        std::iter::once(kubeconfig)
            .chain(args.iter().map(|&argument| argument.to_owned()))
            .collect()
    }
}

/// A client for any kubeconfig, for example one of [`Bed::kubeconfig_of_service_account`].
pub(crate) async fn client_of(kubeconfig: &Path) -> kube::Client {
    let read = Kubeconfig::read_from(kubeconfig)
        .unwrap_or_else(|error| panic!("cannot read the kubeconfig {}: {error}", kubeconfig.display()));
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .unwrap();
    kube::Client::try_from(config).unwrap()
}

/// The root of this project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
