//! `certlet run`: starts the tasks of the process in order, and ends them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::{Client, Config};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    default_cas::{self, DefaultCasError},
    duties::{Duty, Office},
    ending::{self, EndSignal, Signals},
    leader::{Election, Leadership, elect},
    listeners::Listeners,
    serving::{Tls, TlsOptions},
    start::{self, Start},
    surroundings,
};
use crate::{
    acme,
    api::names,
    cloud::Cloud,
    cluster::{
        self,
        events::Events,
        index::Index,
        kubeconfig::{self, Choice, ConfigError},
        reader::Reader,
        writer::Writer,
    },
    controller::{
        self, Controllers, Ports, Services,
        router::Router,
        solving::{Solving, SolvingError},
    },
    net::{ClientSettings, ExtraRoots, TrustError, proxy_hosts},
    plan::{
        bundle::Package,
        settings::{Settings, controller as names_of},
    },
    process::{
        clock,
        environment::{CloudEnvironment, Environment, KubeconfigPlaces},
        metrics::Metrics,
    },
    solver::responder::Responder,
};

/// Time limit of the revocation of tokens at the exit.
const REVOCATION_LIMIT: Duration = Duration::from_secs(2);
/// Time limit of the exit after the last request, the release of the Lease included.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// The options of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Path of a kubeconfig. Default: the variable `KUBECONFIG`, then the pod's service account.
    pub kubeconfig: Option<String>,
    /// URL of the API server. Overrides the one in the kubeconfig.
    pub master: Option<String>,
    /// The settings that decisions depend on.
    pub settings: Settings,
    /// Trust roots in addition to Mozilla's.
    pub extra_roots: ExtraRoots,
    /// Hosts of the proxies in the environment.
    pub proxies: Vec<String>,
    /// The environment variables of the clouds' tools.
    pub cloud: CloudEnvironment,
    /// Leader election; `None` leads at once.
    pub election: Option<Election>,
    /// Number of workers per controller.
    pub workers: usize,
    /// Listen address of the metrics server; `None` disables it.
    pub metrics_address: Option<SocketAddr>,
    /// TLS of the metrics server; `None` for plain HTTP.
    pub metrics_tls: Option<TlsOptions>,
    /// Listen address of the health server; `None` disables it.
    pub health_address: Option<SocketAddr>,
    /// Listen address of the status page; `None` disables it.
    pub status_address: Option<SocketAddr>,
    /// Listen address of the HTTP-01 responder; `None` if this process solves no challenges.
    pub http01_address: Option<SocketAddr>,
}

/// Why `certlet run` stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// There is no cluster configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `--master` is not a URL.
    #[error("--master is not a URL: {0}")]
    Master(String),
    /// Credentials or certificates that cannot be used.
    #[error("cannot talk to the cluster: {0}")]
    Client(#[from] kube::Error),
    /// The HTTPS client cannot be set up.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The package of default CAs cannot be read.
    #[error(transparent)]
    DefaultCas(#[from] DefaultCasError),
    /// The self-checks cannot be set up.
    #[error(transparent)]
    Solving(#[from] SolvingError),
    /// The flags for TLS of the metrics server fit no version of TLS.
    #[error("metrics cannot be served over TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A listen address is in use or not local.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The purpose, for example `metrics`.
        purpose: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// The cluster's configuration: a kubeconfig, or the pod's service account. `master` overrides the URL of the API server, and is
/// sufficient without either.
///
/// # Errors
/// If there is no configuration, or it cannot be used.
async fn kube_config(kubeconfig: Option<&str>, master: Option<&str>) -> Result<Config, RunError> {
    let master = master.filter(|master| !master.is_empty());
    let url = master.map(str::parse::<::http::Uri>).transpose();
    let url = url.map_err(|error| RunError::Master(error.to_string()))?;
    let choice = Choice {
        kubeconfig: kubeconfig.map(str::to_owned),
        ..Choice::default()
    };
    match (kubeconfig::load(&choice, &KubeconfigPlaces::read()).await, url) {
        (Ok(mut config), Some(url)) => {
            config.cluster_url = url;
            Ok(config)
        }
        (Err(_), Some(url)) if kubeconfig.is_none() => Ok(Config::new(url)),
        (found, _) => Ok(found?),
    }
}

/// Runs until SIGTERM or SIGINT. After SIGTERM it stops leading at once, but continues to answer challenges in flight while
/// validation requests may arrive (`plan::ending`). SIGINT or a second signal ends that.
///
/// # Errors
/// If something that is required at startup is not available.
pub(crate) async fn run(options: Options, start: Start) -> Result<(), RunError> {
    let shutdown = CancellationToken::new();
    let leaves_office = shutdown.child_token();
    let config = kube_config(options.kubeconfig.as_deref(), options.master.as_deref()).await?;
    let metrics = Arc::new(Metrics::default());
    let pod = options.settings.pod.name.as_deref();
    let client = cluster::client::connect_as_replica(&config, pod, Arc::clone(&metrics))?;
    let listeners = Listeners::bind(&options).await?;
    let leadership = Leadership::default();
    let http = ClientSettings {
        extra_roots: options.extra_roots.clone(),
        proxies: options.proxies.clone(),
        ..ClientSettings::default()
    };
    let injecting = Duty::Injection.office(&options.settings, &leadership);
    let bundling = Duty::Bundles.office(&options.settings, &leadership);
    let outside = Outside {
        http,
        cloud: options.cloud.clone(),
        metrics,
        injecting: Arc::clone(&injecting.flag),
        bundling: Arc::clone(&bundling.flag),
        default_cas: default_cas::read(&options.settings.bundles)?,
        api_server_ca: kubeconfig::api_server_ca(&config),
    };
    let (controllers, router) = controllers(&client, &options.settings, outside, &leadership)?;
    let tasks = TaskTracker::new();

    let observer = router.observer();
    cluster::watch::watch_all(
        &client,
        &controllers.ports.settings,
        &controllers.ports.index,
        &observer,
    );
    cluster::metadata::follow(client.clone(), &options.settings, observer);
    let tls = match options.metrics_tls.filter(|_| listeners.metrics.is_some()) {
        Some(tls) => {
            let limits = options.settings.size_limits;
            let reader = controllers.ports.reader.clone();
            Some(Tls::start(tls, reader, limits, &tasks, &shutdown)?)
        }
        None => None,
    };
    listeners.serve(tls, (&controllers, &leadership), &tasks, &shutdown);
    controllers.start(options.workers, clock::now);
    // before the first wait: a signal must not end the process unheard
    let mut signals = Signals::listen();
    start::report(&controllers.ports.reader, &start, &options.settings).await;
    surroundings::report(&controllers.ports);
    tokio::spawn(follow_leadership(Arc::clone(&controllers), leadership.clone()));
    for (duty, doing) in [(Duty::Injection, injecting), (Duty::Bundles, bundling)] {
        let controllers = Arc::clone(&controllers);
        let office = Office::new(duty, controllers, (&leadership, doing), options.election.clone());
        tasks.spawn(office.follow(leaves_office.clone()));
    }
    if let Some(election) = options.election {
        tasks.spawn(elect(client, election, leadership, leaves_office.clone()));
    } else {
        leadership.set(true);
        let leaves_office = leaves_office.clone();
        tasks.spawn(async move {
            leaves_office.cancelled().await;
            leadership.set(false);
        });
    }

    let signal = signals.next().await;
    tracing::info!("ending");
    controllers.ending.store(true, Ordering::Release);
    controller::router::nothing(&controllers);
    leaves_office.cancel();
    let ended = end(&controllers, signal, &tasks, &shutdown);
    tokio::select! {
        () = ended => {}
        _ = signals.next() => tracing::info!("received a second signal, exiting at once"),
    }
    Ok(())
}

async fn end(controllers: &Controllers, signal: EndSignal, tasks: &TaskTracker, shutdown: &CancellationToken) {
    if signal == EndSignal::Terminate {
        let ports = &controllers.ports;
        ending::until_no_requests(ports, ports.settings.pod.address).await;
    }
    shutdown.cancel();
    tasks.close();
    // a Vault that does not answer must not delay the end
    let revoked = tokio::time::timeout(REVOCATION_LIMIT, controllers.services.signing.vault.end());
    if revoked.await.is_err() {
        tracing::debug!("not all tokens of Vault were revoked; they end by themselves");
    }
    if tokio::time::timeout(SHUTDOWN_LIMIT, tasks.wait()).await.is_err() {
        tracing::warn!("not all tasks ended within {}s", SHUTDOWN_LIMIT.as_secs());
    }
}

/// The controllers for a dry run: the index is filled once ([`read_everything`]), there are no watches and no listeners, and
/// every write fails, because this process never leads. `api_server_ca` is the CA by which the command trusts the API server, in
/// PEM: it stands for that of the controller, which trusts the same API server.
///
/// # Errors
/// If the self-check cannot be set up.
pub(crate) fn dry_run_context(
    client: &Client,
    settings: &Settings,
    environment: Environment,
    api_server_ca: Option<Arc<[u8]>>,
) -> Result<Arc<Controllers>, RunError> {
    let http = ClientSettings {
        extra_roots: ExtraRoots::from(&environment),
        proxies: proxy_hosts(environment.proxies),
        ..ClientSettings::default()
    };
    let outside = Outside {
        http,
        cloud: environment.cloud,
        metrics: Arc::default(),
        injecting: Arc::default(),
        bundling: Arc::default(),
        default_cas: None,
        api_server_ca,
    };
    let made = controllers(client, settings, outside, &Leadership::default());
    made.map(|(controllers, _)| controllers)
}

/// Lists everything that a controller would watch, once.
///
/// # Errors
/// If the API server rejects a list, or cannot be reached.
pub(crate) async fn read_everything(
    client: &Client,
    ports: &Ports,
    namespace: Option<&str>,
) -> Result<(), cluster::Error> {
    cluster::watch::fill_all(client, &ports.settings, namespace, &ports.index).await
}

/// How the process reaches servers outside of the cluster, and where it counts.
struct Outside {
    http: ClientSettings,
    cloud: CloudEnvironment,
    metrics: Arc<Metrics>,
    injecting: Arc<AtomicBool>,
    bundling: Arc<AtomicBool>,
    default_cas: Option<Arc<Package>>,
    api_server_ca: Option<Arc<[u8]>>,
}

fn controllers(
    client: &Client,
    settings: &Settings,
    outside: Outside,
    leadership: &Leadership,
) -> Result<(Arc<Controllers>, Router), RunError> {
    cluster::secret::set_size_limits(settings.size_limits);
    let router = Router::default();
    let index = Arc::new(Index::default());
    let Outside {
        http,
        cloud,
        metrics,
        injecting,
        bundling,
        default_cas,
        api_server_ca,
    } = outside;
    let flag = Arc::clone(&leadership.flag);
    let http = ClientSettings {
        addresses: settings.outgoing.clone(),
        ..http
    };
    let cloud = Cloud::new(&http, cloud, clock::now)?;
    let transport = acme::transport::Settings {
        client: http.clone(),
        max_chain: settings.size_limits.chain,
        ..acme::transport::Settings::default()
    };
    let ports = Ports {
        index: Arc::clone(&index),
        reader: Reader::new(client.clone()),
        writer: Writer::new(client.clone(), index, router.observer(), flag),
        events: Events::start(client.clone(), names::EVENT_REPORTER, None),
        settings: Arc::new(settings.clone()),
        queues: Arc::default(),
        responder: Arc::new(Responder::new()),
        acme: Arc::new(acme::Registry::new(transport, Arc::clone(&metrics) as _)),
        cloud: cloud.clone(),
        http: Arc::new(http),
        metrics,
        injecting,
        bundling,
        default_cas,
        api_server_ca,
    };
    let controllers = Arc::new(Controllers::new(Services::new(ports, Solving::new(settings, cloud)?)));
    router.attach(&controllers);
    Ok((controllers, router))
}

/// Starts and stops the controllers with leadership. The queues are emptied in between.
async fn follow_leadership(controllers: Arc<Controllers>, leadership: Leadership) {
    let mut changes = leadership.subscribe();
    let mut upkeep: Option<[tokio::task::AbortHandle; 3]> = None;
    loop {
        let leads = *changes.borrow_and_update();
        if leads {
            let term = controllers.terms.begin();
            tokio::select! {
                () = controllers.ports.index.until_ready() => {
                    controller::router::everything(&controllers);
                    if controllers.ports.settings.controllers.enabled(names_of::ORDERS) {
                        // those of a former time, which have not noticed that this process led no more, give way
                        let now = [
                            tokio::spawn(controller::sweep::hourly(controllers.ports.clone())),
                            tokio::spawn(controller::solving::http01::follow_replicas(
                                Arc::clone(&controllers.orders.solving.http01),
                                controllers.ports.clone(),
                            )),
                            tokio::spawn(controller::order::lend_slots(Arc::clone(&controllers.orders))),
                        ];
                        let now = now.map(|task| task.abort_handle());
                        for before in upkeep.replace(now).into_iter().flatten() {
                            before.abort();
                        }
                    }
                    let reconciling = Arc::clone(&controllers);
                    tokio::spawn(async move {
                        reconciling.terms.until_reconciled(term, &reconciling.ports.queues.certificates).await;
                    });
                }
                _ = changes.changed() => continue,
            }
        } else {
            controllers.terms.end();
            controller::router::nothing(&controllers);
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
