//! A real webhook server, whose certificate certlet issues, under constant calls while its CA rotates.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::stage::{FROM, Kind, Stage};
use crate::support::command::run;
use crate::support::scene::{SECRETS, decoded, field};
use crate::support::{Certlet, IN_TIME, certlet::PROGRAM, eventually};

/// How long a changed Secret takes to a server that has it mounted. A kubelet needs up to a minute and more, and never less than a moment.
const MOUNT_DELAY: Duration = Duration::from_secs(1);

/// An admission webhook that allows everything, on an address of its own.
struct Server {
    port: u16,
    calls: Arc<AtomicUsize>,
    /// The certificate that it serves now.
    serves: Arc<Mutex<String>>,
    tasks: [JoinHandle<()>; 2],
}

impl Server {
    /// Serves the pair in a Secret, and follows its changes as through a mount.
    async fn start(secrets: Api<DynamicObject>, name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let first = pair(&secrets, name).await;
        let current = Arc::new(Mutex::new(Self::acceptor(&first)));
        let (calls, serves) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(first.0.clone())));
        let (mounted, shown) = (Arc::clone(&current), Arc::clone(&serves));
        let following = tokio::spawn(async move {
            let mut before = first;
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let now = pair(&secrets, name).await;
                if now != before {
                    tokio::time::sleep(MOUNT_DELAY).await;
                    *lock(&mounted) = Self::acceptor(&now);
                    lock(&shown).clone_from(&now.0);
                    before = now;
                }
            }
        });
        let counted = Arc::clone(&calls);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, calls) = (lock(&current).clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    // a client that does not trust the certificate reports it itself
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| review(request, Arc::clone(&calls)));
                    let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self {
            port,
            calls,
            serves,
            tasks: [following, accepting],
        }
    }

    fn acceptor((certificate, key): &(String, String)) -> TlsAcceptor {
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // without HTTP/2, whose connections outlive a call
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn pair(secrets: &Api<DynamicObject>, name: &str) -> (String, String) {
    let secret = secrets.get(name).await.unwrap();
    (decoded(&secret, "/data/tls.crt"), decoded(&secret, "/data/tls.key"))
}

/// Allows the request, and closes the connection: the next call verifies the certificate again.
async fn review(request: Request<Incoming>, calls: Arc<AtomicUsize>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    calls.fetch_add(1, Ordering::Relaxed);
    let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": true}});
    let mut response = Response::new(Full::from(answer.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes that the webhook judges, one after the other, until it is stopped.
struct Calls {
    stopped: Arc<AtomicBool>,
    task: JoinHandle<Vec<String>>,
}

impl Calls {
    fn start(maps: Api<DynamicObject>) -> Self {
        let stopped = Arc::<AtomicBool>::default();
        let end = Arc::clone(&stopped);
        let task = tokio::spawn(async move {
            let mut failed = Vec::new();
            let dry_run = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "judged"}});
            let map: DynamicObject = serde_json::from_value(map).unwrap();
            while !end.load(Ordering::Relaxed) {
                if let Err(error) = maps.create(&dry_run, &map).await {
                    failed.push(error.to_string());
                }
            }
            failed
        });
        Self { stopped, task }
    }

    /// What failed.
    async fn stop(self) -> Vec<String> {
        self.stopped.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn renew(stage: &Stage, certificate: &str, secret: &str) {
    let secrets = stage.scene.objects(SECRETS).await;
    let read = async || field(&secrets.get(secret).await.unwrap(), "/data/tls.crt");
    let before = read().await;
    let kubeconfig = stage.bed().kubeconfig();
    run(
        PROGRAM,
        &[
            "renew",
            certificate,
            "-n",
            &stage.scene.namespace,
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
        ],
    )
    .await;
    eventually("the certificate is renewed", IN_TIME, async || {
        (read().await != before).then_some(())
    })
    .await;
    stage.scene.ready(certificate).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: make cluster"]
async fn no_call_of_a_webhook_fails_through_three_rotations_of_its_ca() {
    let stage = Stage::new().await;
    let certlet = Certlet::start(stage.bed(), &[]).await;
    let ca = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "ca"}, "spec": {
        "secretName": "ca", "commonName": "webhook CA", "isCA": true, "issuerRef": {"name": "self"}, "privateKey": {"algorithm": "ECDSA"}}});
    let issuer = json!({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "by-ca"}, "spec": {"ca": {"secretName": "ca"}}});
    let leaf = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "hook"}, "spec": {
        "secretName": "hook", "ipAddresses": ["127.0.0.1"], "issuerRef": {"name": "by-ca"}, "privateKey": {"algorithm": "ECDSA"}}});
    stage.scene.apply(&format!("{ca}\n---\n{issuer}\n---\n{leaf}")).await;
    stage.scene.ready("hook").await;
    let server = Server::start(stage.scene.objects(SECRETS).await, "hook").await;

    let namespace = &stage.scene.namespace;
    let hook = json!({"webhooks": [{
        "name": "hook.certlet.example", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "timeoutSeconds": 5,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "clientConfig": {"url": format!("https://127.0.0.1:{}/validate", server.port)}}]});
    let target = stage
        .create(
            Kind::Validating,
            "rotated",
            &[(FROM, &stage.place("hook"))],
            &PostParams::default(),
            hook,
        )
        .await;
    let first = stage.ca("hook").await;
    target.has(&first).await;
    let maps = stage.scene.objects(("v1", "ConfigMap")).await;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let map: DynamicObject =
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first"}}))
            .unwrap();
    eventually("the API server knows the webhook and its CA", IN_TIME, async || {
        maps.create(&dry_run, &map)
            .await
            .ok()
            .filter(|_| server.calls.load(Ordering::Relaxed) > 0)
    })
    .await;

    let mark = stage.bed().audit_mark().await;
    let calls = Calls::start(maps);
    let mut bundle = first;
    for _rotation in 0..3 {
        renew(&stage, "ca", "ca").await;
        renew(&stage, "hook", "hook").await;
        bundle += &stage.ca("hook").await;
        target.has(&bundle).await;
        let (now, _) = pair(&stage.scene.objects(SECRETS).await, "hook").await;
        eventually("the server has the new certificate", IN_TIME, async || {
            (*lock(&server.serves) == now).then_some(())
        })
        .await;
        let before = server.calls.load(Ordering::Relaxed);
        eventually("calls with it", IN_TIME, async || {
            (server.calls.load(Ordering::Relaxed) > before + 20).then_some(())
        })
        .await;
    }
    let failed = calls.stop().await;
    assert_eq!(failed, Vec::<String>::new());
    println!("{} calls, none failed", server.calls.load(Ordering::Relaxed));
    let writes = stage.bed().writes_since(mark).await;
    let injected = writes.iter().filter(|write| write.name == target.name).count();
    assert_eq!(injected, 3, "one write for each rotation");
    drop(certlet);
}
