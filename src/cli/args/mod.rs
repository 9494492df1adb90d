//! The flags of `certlet run`, with cert-manager's names (FLG rows). They are parsed once, into [`Options`].

mod accepted;
mod bundles;
pub(super) mod config;
mod copies;
pub(super) mod differing;
mod dns01;
mod election;
mod gateway;
mod go;
mod metrics_tls;
mod shared;
mod sizes;
mod switches;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, net::SocketAddr, time::Duration};

use clap::Args;

pub(super) use self::{
    accepted::AcceptedArgs,
    election::ElectionArgs,
    go::{List, Map, boolean, duration, level},
    shared::{LoggingArgs, MetricsArgs, SharedArgs},
    switches::ArgsError,
};
use self::{
    accepted::ControllerIdleArgs,
    bundles::BundleArgs,
    copies::CopiesArgs,
    dns01::Dns01Args,
    gateway::GatewayArgs,
    go::{Listen, address, count, socket},
    sizes::SizeArgs,
    switches::{controllers, gates, idle_gates, path_type_exact},
};

use crate::{
    net::{AddressPolicy, ExtraRoots, Network, proxy_hosts},
    plan::settings::{DefaultIssuer, Http01Settings, InjectionSettings, Pod, Settings, SolverMode},
    process::{environment::Environment, telemetry::Format},
    runtime::{foreign, run::Options},
};

/// Run the controller: issue, store and renew certificates
#[derive(Args, Clone, Debug)]
#[command(next_line_help = true, args_override_self = true)]
pub(super) struct RunArgs {
    /// File with a `ControllerConfiguration` of cert-manager (controller.config.cert-manager.io/v1alpha1). Flags take precedence
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    config: Option<String>,
    /// Path to the kubeconfig. Default: $KUBECONFIG, then the service account of the pod
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<String>,
    /// URL of the API server. Overrides the one in the kubeconfig
    #[arg(long, value_name = "URL", help_heading = "Cluster")]
    master: Option<String>,
    /// Act only in this namespace. ClusterIssuers are ignored
    #[arg(long, default_value = "", value_name = "NAMESPACE", help_heading = "Cluster")]
    namespace: String,
    /// Namespace of the Secrets that ClusterIssuers refer to
    #[arg(
        long,
        default_value = "kube-system",
        value_name = "NAMESPACE",
        help_heading = "Cluster"
    )]
    cluster_resource_namespace: String,
    #[command(flatten)]
    election: ElectionArgs,
    /// Namespaces, in addition to kube-system and certlet's own, in which another installation may hold its Lease. certlet stands
    /// by while that Lease is being renewed. List only namespaces that only administrators can edit
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMESPACES",
        help_heading = "Leader election"
    )]
    other_installations_namespaces: Vec<String>,
    /// Controllers to run, with cert-manager's names: `*` for all, `NAME` for one, `-NAME` to exclude one
    ///
    /// `*,-certificaterequests-approver` leaves approval to another program. `*,-certificates-trigger` issues only what
    /// `certlet renew` or cmctl requests. Some controllers of cert-manager are one controller in certlet and can only be
    /// enabled together: issuing, key manager, request manager and readiness of Certificates; orders and challenges.
    #[arg(
        long,
        default_value = "*",
        allow_hyphen_values = true,
        value_name = "NAMES",
        help_heading = "Controllers"
    )]
    controllers: Vec<List>,
    /// Inject CAs into webhook configurations, APIServices and CRDs that are annotated with cert-manager.io/inject-ca-from and the like
    ///
    /// Another program that holds the Lease cert-manager-cainjector-leader-election, as cert-manager's cainjector does, keeps certlet
    /// from it. An installation for one namespace injects nothing.
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "Controllers")]
    enable_cainjector: bool,
    #[command(flatten)]
    copies: CopiesArgs,
    /// Feature gates, as `A=true,B=false`. Every gate of cert-manager is accepted
    #[arg(long, value_name = "GATE=BOOL", help_heading = "Controllers")]
    feature_gates: Vec<Map>,
    /// Number of objects that each controller reconciles concurrently
    #[arg(long, default_value = "20", value_parser = count, value_name = "N", help_heading = "Controllers")]
    concurrent_workers: usize,
    /// Set the Certificate as owner of its Secret, so that the Secret is deleted with it
    #[arg(long, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", help_heading = "Controllers")]
    enable_certificate_owner_ref: bool,
    /// Prefixes of the annotations that are copied from a Certificate to its CertificateRequests and Orders: `*` for all,
    /// `-PREFIX` to exclude
    #[arg(
        long,
        allow_hyphen_values = true,
        default_value = "*,-kubectl.kubernetes.io/,-fluxcd.io/,-argocd.argoproj.io/",
        value_name = "PREFIXES",
        help_heading = "Controllers"
    )]
    copied_annotation_prefixes: Vec<List>,
    /// Wait after the first failed issuance. It doubles with each further failure. 0 disables the back-off
    #[arg(long, default_value = "1h", value_parser = duration, value_name = "DURATION", help_heading = "Controllers")]
    certificate_request_minimum_backoff_duration: Duration,
    /// Maximum wait after failed issuances
    #[arg(long, default_value = "32h", value_parser = duration, value_name = "DURATION", help_heading = "Controllers")]
    certificate_request_maximum_backoff_duration: Duration,
    /// Name of the issuer for Ingresses that request automatic TLS and name no issuer
    #[arg(long, default_value = "", value_name = "NAME", help_heading = "Ingresses")]
    default_issuer_name: String,
    /// Kind of that issuer
    #[arg(long, default_value = "Issuer", value_name = "KIND", help_heading = "Ingresses")]
    default_issuer_kind: String,
    /// Group of that issuer
    #[arg(
        long,
        default_value = "cert-manager.io",
        value_name = "GROUP",
        help_heading = "Ingresses"
    )]
    default_issuer_group: String,
    /// Ingress annotations that request automatic TLS
    #[arg(
        long,
        default_value = "kubernetes.io/tls-acme",
        value_name = "KEYS",
        help_heading = "Ingresses"
    )]
    auto_certificate_annotations: Vec<List>,
    /// Ingress annotations that are copied to the Certificate
    #[arg(long, value_name = "KEYS", help_heading = "Ingresses")]
    extra_certificate_annotations: Vec<List>,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    bundles: BundleArgs,
    /// Solver for HTTP-01: certlet itself (direct), or one pod per challenge (pod)
    #[arg(long, value_enum, default_value = "direct", help_heading = "ACME")]
    acme_http01_solver_mode: Mode,
    /// Listen address of the HTTP-01 responder
    #[arg(long, default_value = "0.0.0.0:8089", value_parser = socket, value_name = "ADDRESS", help_heading = "ACME")]
    acme_http01_listen_address: SocketAddr,
    /// IP address at which the ingress reaches the HTTP-01 responder; repeatable. Default: the endpoints of the Service
    /// certlet-acme, then `POD_IP`
    #[arg(long, value_delimiter = ',', value_name = "IP", help_heading = "ACME")]
    acme_http01_advertise_address: Vec<IpAddr>,
    /// Nameservers for the self-check of HTTP-01 challenges, as host:port
    #[arg(long, value_name = "HOST:PORT", help_heading = "ACME")]
    acme_http01_solver_nameservers: Vec<List>,
    /// Addresses or networks that certlet may contact although they are link-local, a cloud metadata service or this pod
    ///
    /// Users who may create issuers and Certificates choose ACME servers, validated names and their redirects, and so the
    /// addresses that certlet contacts.
    #[arg(long, value_delimiter = ',', value_name = "NETWORKS", help_heading = "ACME")]
    allow_outgoing_networks: Vec<Network>,
    #[command(flatten)]
    dns01: Dns01Args,
    /// Labels for all objects of the HTTP-01 solver
    #[arg(long, value_name = "KEY=VALUE", help_heading = "ACME")]
    acme_http01_solver_extra_labels: Vec<Map>,
    /// Image of solver pods (mode `pod`). Default: the image of certlet's own pod
    #[arg(long, value_name = "IMAGE", help_heading = "ACME")]
    acme_http01_solver_image: Option<String>,
    /// CPU request of solver pods
    #[arg(long, default_value = "10m", value_name = "QUANTITY", help_heading = "ACME")]
    acme_http01_solver_resource_request_cpu: String,
    /// Memory request of solver pods
    #[arg(long, default_value = "64Mi", value_name = "QUANTITY", help_heading = "ACME")]
    acme_http01_solver_resource_request_memory: String,
    /// CPU limit of solver pods
    #[arg(long, default_value = "100m", value_name = "QUANTITY", help_heading = "ACME")]
    acme_http01_solver_resource_limits_cpu: String,
    /// Memory limit of solver pods
    #[arg(long, default_value = "64Mi", value_name = "QUANTITY", help_heading = "ACME")]
    acme_http01_solver_resource_limits_memory: String,
    /// Require that solver pods do not run as root
    #[arg(long, default_value_t = true, value_parser = boolean, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "ACME")]
    acme_http01_solver_run_as_non_root: bool,
    /// RuntimeClass of solver pods
    #[arg(long, default_value = "", value_name = "CLASS", help_heading = "ACME")]
    acme_http01_solver_runtime_class_name: String,
    /// Maximum number of challenges in flight
    #[arg(long, default_value = "60", value_parser = count, value_name = "N", help_heading = "ACME")]
    max_concurrent_challenges: usize,
    /// Fixed interval between polls of renewal information (ARI), for tests. Default: the interval that the ACME server requests,
    /// from 1h to 7d
    #[arg(long, value_parser = duration, value_name = "DURATION", help_heading = "ACME")]
    acme_ari_minimum_interval: Option<Duration>,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Listen address of the health server; 0 disables it
    #[arg(long, default_value = "0.0.0.0:9403", value_parser = address, value_name = "ADDRESS", help_heading = "Metrics, health and logs")]
    internal_healthz_listen_address: Listen,
    /// Listen address of the status page; 0 disables it. On a loopback address everyone who reaches it may read it (kubectl
    /// port-forward). Otherwise a bearer token with the right to get /certlet/status is required
    #[arg(long, default_value = "0", value_parser = address, value_name = "ADDRESS", help_heading = "Metrics, health and logs")]
    status_listen_address: Listen,
    #[command(flatten)]
    logging: LoggingArgs,
    #[command(flatten)]
    sizes: SizeArgs,
    #[command(flatten)]
    accepted: AcceptedArgs,
    #[command(flatten)]
    idle: ControllerIdleArgs,
}

/// How HTTP-01 challenges are solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mode {
    /// certlet itself answers.
    Direct,
    /// One pod per challenge answers.
    Pod,
}

impl RunArgs {
    /// The format of log lines and the log level.
    pub(super) fn logging(&self) -> (Format, u8) {
        (self.logging.logging_format, self.logging.verbosity)
    }

    /// Features that the flags request and that are not supported yet, as sentences without a verb.
    pub(super) fn missing(&self) -> Vec<String> {
        self.accepted.missing().into_iter().map(str::to_owned).collect()
    }

    /// Flags that have no effect, each with the reason.
    pub(super) fn idle(&self) -> Vec<String> {
        let given = Map::all(&self.feature_gates);
        // invalid gates are an error of `settings`
        let gateway = gates(&given).map(|gates| self.gateway.idle(gates)).unwrap_or_default();
        let accepted = self.accepted.idle().into_iter().chain(self.idle.idle());
        let bundles = self.bundles.idle(&self.namespace);
        let flags = accepted.chain(gateway).chain(bundles).map(str::to_owned);
        flags.chain(self.metrics.tls.idle()).chain(idle_gates(&given)).collect()
    }

    /// The validated options of the controller.
    ///
    /// # Errors
    /// [`ArgsError`] if a value, or a combination of values, is invalid.
    pub(super) fn options(self) -> Result<Options, ArgsError> {
        let environment = Environment::read();
        let election = self.election.election(&environment, self.others(&environment))?;
        let settings = Settings {
            pod: Pod {
                name: environment.pod_name.clone(),
                namespace: environment.pod_namespace.clone(),
                address: environment.pod_address,
            },
            ..self.settings(&environment)?
        };
        Ok(Options {
            extra_roots: ExtraRoots::from(&environment),
            proxies: proxy_hosts(environment.proxies),
            cloud: environment.cloud,
            kubeconfig: self.kubeconfig,
            master: self.master,
            settings,
            election,
            workers: self.concurrent_workers.max(1),
            metrics_address: self.metrics.metrics_listen_address.0,
            metrics_tls: self.metrics.tls.options()?,
            health_address: self.internal_healthz_listen_address.0,
            status_address: self.status_listen_address.0,
            http01_address: Some(self.acme_http01_listen_address),
        })
    }

    /// The namespace of the Lease; `None` without leader election.
    pub(super) fn lease_namespace(&self) -> Option<String> {
        self.election.namespace().map(str::to_owned)
    }

    /// The namespaces where another installation may hold its Lease.
    fn others(&self, environment: &Environment) -> Vec<String> {
        let Some(own) = self.election.namespace() else {
            return Vec::new();
        };
        let is_for_cluster = self.namespace.is_empty();
        foreign::namespaces(
            own,
            environment.pod_namespace.as_deref(),
            is_for_cluster,
            &self.other_installations_namespaces,
        )
    }

    /// The settings that decisions depend on, except the identity of the pod: `certlet plan` parses the flags of another process.
    ///
    /// # Errors
    /// [`ArgsError`] if a value, or a combination of values, is invalid.
    pub(super) fn settings(&self, environment: &Environment) -> Result<Settings, ArgsError> {
        if self.certificate_request_minimum_backoff_duration > self.certificate_request_maximum_backoff_duration {
            return Err(ArgsError::Backoff);
        }
        let namespace = Some(self.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let mut gates = gates(&Map::all(&self.feature_gates))?;
        let controllers = controllers(&List::all(&self.controllers), &mut gates)?;
        Ok(Settings {
            controllers,
            gates,
            namespace,
            cluster_resource_namespace: self.cluster_resource_namespace.clone(),
            default_issuer: DefaultIssuer {
                name: self.default_issuer_name.clone(),
                kind: self.default_issuer_kind.clone(),
                group: self.default_issuer_group.clone(),
            },
            auto_certificate_annotations: List::all(&self.auto_certificate_annotations),
            extra_certificate_annotations: List::all(&self.extra_certificate_annotations),
            copied_annotation_prefixes: List::all(&self.copied_annotation_prefixes),
            enable_certificate_owner_ref: self.enable_certificate_owner_ref,
            minimum_backoff: self.certificate_request_minimum_backoff_duration,
            maximum_backoff: self.certificate_request_maximum_backoff_duration,
            size_limits: self.sizes.limits()?,
            max_concurrent_challenges: self.max_concurrent_challenges,
            outgoing: AddressPolicy::new(self.allow_outgoing_networks.clone(), !environment.in_a_pod),
            http01: self.http01()?,
            dns01: self.dns01.settings(),
            gateway: self.gateway.settings(gates),
            ari_minimum_interval: self.acme_ari_minimum_interval,
            injection: InjectionSettings {
                enabled: self.enable_cainjector,
                ..Settings::default().injection
            },
            secret_sync: self.copies.enable_secret_sync,
            bundles: self.bundles.settings(),
            pod: Pod::default(),
        })
    }

    fn http01(&self) -> Result<Http01Settings, ArgsError> {
        let resources = [
            ("request-cpu", &self.acme_http01_solver_resource_request_cpu),
            ("request-memory", &self.acme_http01_solver_resource_request_memory),
            ("limits-cpu", &self.acme_http01_solver_resource_limits_cpu),
            ("limits-memory", &self.acme_http01_solver_resource_limits_memory),
        ];
        Ok(Http01Settings {
            mode: match self.acme_http01_solver_mode {
                Mode::Direct => SolverMode::Direct,
                Mode::Pod => SolverMode::Pod,
            },
            advertise: self.acme_http01_advertise_address.clone(),
            port: self.acme_http01_listen_address.port(),
            nameservers: List::all(&self.acme_http01_solver_nameservers),
            extra_labels: Map::all(&self.acme_http01_solver_extra_labels),
            solver_image: self.acme_http01_solver_image.clone().filter(|image| !image.is_empty()),
            solver_resources: resources
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
            solver_run_as_non_root: self.acme_http01_solver_run_as_non_root,
            solver_runtime_class: Some(self.acme_http01_solver_runtime_class_name.clone())
                .filter(|name| !name.is_empty()),
            path_type_exact: path_type_exact(&Map::all(&self.feature_gates))?,
        })
    }
}
