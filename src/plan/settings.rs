//! The settings of the administrator: the parsed flags as plain data.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use super::{bundle::BundleSettings, copies::CopyObstacle, injection::TargetKind};
use crate::{net::AddressPolicy, pki::chain::SizeLimits};

/// All flags that decisions depend on (FLG rows).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The only namespace to act in; `None` for all (FLG-04).
    pub namespace: Option<String>,
    /// The namespace of the Secrets of ClusterIssuers (FLG-03, SGN-07).
    pub cluster_resource_namespace: String,
    /// The enabled controllers (CTL rows), with cert-manager's names.
    pub controllers: Controllers,
    /// Issuer for Ingresses that request automatic TLS and name no issuer (FLG-18).
    pub default_issuer: DefaultIssuer,
    /// Ingress annotations that request automatic TLS (FLG-16).
    pub auto_certificate_annotations: Vec<String>,
    /// Ingress annotations copied to the Certificate (FLG-17).
    pub extra_certificate_annotations: Vec<String>,
    /// Which annotations of a Certificate are copied to requests and Orders (FLG-23).
    pub copied_annotation_prefixes: Vec<String>,
    /// Whether the target Secret is owned by its Certificate (FLG-21, SEC-02).
    pub enable_certificate_owner_ref: bool,
    /// Minimum and maximum back-off after a failed issuance (FLG-31, BKO-01).
    pub minimum_backoff: Duration,
    /// See `minimum_backoff`.
    pub maximum_backoff: Duration,
    /// PEM size limits in bytes (FLG-30, SEC-08).
    pub size_limits: SizeLimits,
    /// Maximum number of challenges in flight in the cluster (FLG-26).
    pub max_concurrent_challenges: usize,
    /// The policy for addresses that users choose.
    pub outgoing: AddressPolicy,
    /// HTTP-01.
    pub http01: Http01Settings,
    /// DNS-01.
    pub dns01: Dns01Settings,
    /// The Gateway API.
    pub gateway: GatewaySettings,
    /// Fixed interval between polls of renewal information; `None` for the interval that the server requests.
    pub ari_minimum_interval: Option<Duration>,
    /// Feature gates that change behaviour (GAT rows).
    pub gates: Gates,
    /// Injection of CAs.
    pub injection: InjectionSettings,
    /// Whether Secrets are copied into other namespaces (ANO-18).
    pub secret_sync: bool,
    /// Trust bundles.
    pub bundles: BundleSettings,
    /// The pod of this process, if it runs in one.
    pub pod: Pod,
}

/// Settings of the injection of CAs (CAI-06).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionSettings {
    /// Whether this process injects CAs.
    pub enabled: bool,
    /// Whether it does nothing else (`certlet cainjector`).
    pub alone: bool,
    /// Kinds that get no CA.
    pub excluded: Vec<TargetKind>,
    /// Whether Certificates are sources.
    pub certificates: bool,
    /// Namespaces whose Certificates and Secrets are no sources.
    pub ignored_namespaces: Vec<String>,
}

impl Settings {
    /// Whether Bundles are reconciled. They belong to the cluster: an installation for one namespace has none.
    pub fn has_bundles(&self) -> bool {
        self.bundles.enabled && self.namespace.is_none() && !self.injection.alone
    }

    /// Whether Namespaces are watched: for Bundles, and for copies of Secrets.
    pub fn has_namespaces(&self) -> bool {
        self.has_bundles() || (self.copy_obstacle().is_none() && !self.injection.alone)
    }

    /// Whether CAs are injected into this kind. Targets belong to the cluster: an installation of the controller for one namespace has
    /// none.
    pub fn injects(&self, kind: TargetKind) -> bool {
        let InjectionSettings {
            enabled,
            alone,
            excluded,
            ..
        } = &self.injection;
        *enabled && (*alone || self.namespace.is_none()) && !excluded.contains(&kind)
    }
}

impl Settings {
    /// Why this installation copies no Secrets; `None` if it does.
    pub fn copy_obstacle(&self) -> Option<CopyObstacle> {
        if !self.secret_sync {
            Some(CopyObstacle::Off)
        } else if self.namespace.is_some() {
            Some(CopyObstacle::OneNamespace)
        } else {
            None
        }
    }
}

/// The pod of this process, from the downward API; empty otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// `POD_NAME`.
    pub name: Option<String>,
    /// `POD_NAMESPACE`.
    pub namespace: Option<String>,
    /// `POD_IP`: the default address at which other pods reach this process.
    pub address: Option<IpAddr>,
}

/// Names of controllers that are used in more than one place (CTL rows).
pub mod controller {
    /// Issuers.
    pub const ISSUERS: &str = "issuers";
    /// ClusterIssuers.
    pub const CLUSTER_ISSUERS: &str = "clusterissuers";
    /// Orders, and with them Challenges.
    pub const ORDERS: &str = "orders";
    /// Whether issuances begin automatically.
    pub const TRIGGER: &str = "certificates-trigger";
    /// Certificates.
    pub const ISSUING: &str = "certificates-issuing";
    /// Certificates of annotated Ingresses.
    pub const INGRESS_SHIM: &str = "ingress-shim";
    /// Certificates of annotated Gateways.
    pub const GATEWAY_SHIM: &str = "gateway-shim";
    /// Certificates of annotated ListenerSets.
    pub const LISTENER_SETS: &str = "listenerset";
    /// Whether requests of earlier revisions are deleted.
    pub const REVISION_MANAGER: &str = "certificates-revision-manager";
}

/// The enabled controllers of cert-manager (CTL-11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controllers {
    /// Names of disabled controllers.
    pub disabled: Vec<String>,
}

impl Controllers {
    /// None of them: `*` disables all.
    pub fn none() -> Self {
        Self {
            disabled: vec!["*".to_owned()],
        }
    }

    /// Whether the controller of this name is enabled.
    pub fn enabled(&self, name: &str) -> bool {
        !self.disabled.iter().any(|disabled| disabled == name || disabled == "*")
    }

    /// Whether certlet approves CertificateRequests (CTL-08).
    pub fn approver(&self) -> bool {
        self.enabled("certificaterequests-approver")
    }
}

/// `--default-issuer-*` (FLG-18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultIssuer {
    /// Name; empty without a default issuer.
    pub name: String,
    /// Kind, `Issuer` by default.
    pub kind: String,
    /// Group, `cert-manager.io` by default.
    pub group: String,
}

/// Settings of the HTTP-01 solver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http01Settings {
    /// Whether this process answers, or a pod per challenge.
    pub mode: SolverMode,
    /// Addresses behind the temporary Service. Empty for the ready endpoints of our own Service, or the pod's address.
    pub advertise: Vec<IpAddr>,
    /// Port of the responder behind those addresses.
    pub port: u16,
    /// Nameservers of the self-check (`host:port`, FLG-12). Empty for those of the system.
    pub nameservers: Vec<String>,
    /// Labels added to every solver object (FLG-13).
    pub extra_labels: BTreeMap<String, String>,
    /// Image of the solver pod (FLG-09) in `pod` mode; `None` for the image of our own pod.
    pub solver_image: Option<String>,
    /// Requests and limits of the solver pod (FLG-10), by `request-cpu`, `request-memory`, `limits-cpu`, `limits-memory`.
    pub solver_resources: BTreeMap<String, String>,
    /// Whether the solver pod runs as non-root (FLG-11).
    pub solver_run_as_non_root: bool,
    /// Runtime class of the solver pod (FLG-14).
    pub solver_runtime_class: Option<String>,
    /// pathType `Exact` (GAT-15).
    pub path_type_exact: bool,
}

/// Settings of the DNS-01 solver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns01Settings {
    /// Recursive nameservers (`host:port`, or a URL for DNS over HTTPS; FLG-19). Empty for those of the system.
    pub recursive_nameservers: Vec<String>,
    /// Whether only the recursive nameservers are asked whether a record is visible (FLG-19).
    pub recursive_only: bool,
    /// The longest wait between two checks (FLG-20).
    pub check_retry_period: Duration,
    /// Whether Issuers may use the credentials of the place that certlet runs in (FLG-15).
    pub ambient_for_issuers: bool,
    /// Whether `ClusterIssuers` may use them (FLG-15).
    pub ambient_for_cluster_issuers: bool,
}

impl Dns01Settings {
    /// Whether an issuer of this scope may use the credentials of the place that certlet runs in.
    pub const fn allows_ambient(&self, cluster: bool) -> bool {
        if cluster {
            self.ambient_for_cluster_issuers
        } else {
            self.ambient_for_issuers
        }
    }
}

/// Settings of the Gateway API (FLG-22).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Whether Gateways and HTTPRoutes are used: flag and gate (CTL-04, GWS-01).
    pub enabled: bool,
    /// Whether ListenerSets are used, too: flags and gates (CTL-05, GWS-02).
    pub listener_sets: bool,
    /// Protocols of listeners with TLS, in addition to HTTPS and TLS (GWS-03).
    pub extra_protocols: Vec<String>,
}

/// See [`Http01Settings::mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolverMode {
    /// This process answers.
    Direct,
    /// cert-manager's way: pod, Service and Ingress per challenge.
    Pod,
}

/// Feature gates with an effect (GAT rows). All others are accepted and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent gates with cert-manager's names"
)]
pub struct Gates {
    /// GAT-06.
    pub literal_subject: bool,
    /// GAT-07.
    pub stable_request_name: bool,
    /// GAT-08.
    pub basic_constraints_in_request: bool,
    /// GAT-11.
    pub name_constraints: bool,
    /// GAT-12.
    pub other_names: bool,
    /// GAT-16; on by default in certlet.
    pub ari: bool,
    /// GAT-01.
    pub certificate_signing_requests: bool,
    /// GAT-02. Without effect unless the flag of the Gateway API is set.
    pub gateway_api: bool,
    /// GAT-03. Without effect unless the flag of ListenerSets is set.
    pub listener_sets: bool,
}

impl Gates {
    /// Each gate by cert-manager's name.
    pub fn by_name(self) -> [(&'static str, bool); 9] {
        // no `..`: a new gate must be named
        let Self {
            literal_subject,
            stable_request_name,
            basic_constraints_in_request,
            name_constraints,
            other_names,
            ari,
            certificate_signing_requests,
            gateway_api,
            listener_sets,
        } = self;
        [
            ("LiteralCertificateSubject", literal_subject),
            ("StableCertificateRequestName", stable_request_name),
            ("UseCertificateRequestBasicConstraints", basic_constraints_in_request),
            ("NameConstraints", name_constraints),
            ("OtherNames", other_names),
            ("ACMEUseARI", ari),
            (
                "ExperimentalCertificateSigningRequestControllers",
                certificate_signing_requests,
            ),
            ("ExperimentalGatewayAPISupport", gateway_api),
            ("ListenerSets", listener_sets),
        ]
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: None,
            cluster_resource_namespace: "kube-system".into(),
            controllers: Controllers::default(),
            default_issuer: DefaultIssuer {
                name: String::new(),
                kind: "Issuer".into(),
                group: "cert-manager.io".into(),
            },
            auto_certificate_annotations: vec!["kubernetes.io/tls-acme".into()],
            extra_certificate_annotations: Vec::new(),
            copied_annotation_prefixes: ["*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"]
                .map(String::from)
                .to_vec(),
            enable_certificate_owner_ref: false,
            minimum_backoff: Duration::from_secs(3600),
            maximum_backoff: Duration::from_secs(32 * 3600),
            size_limits: SizeLimits::default(),
            max_concurrent_challenges: 60,
            outgoing: AddressPolicy::default(),
            http01: Http01Settings {
                mode: SolverMode::Direct,
                advertise: Vec::new(),
                port: 8089,
                nameservers: Vec::new(),
                extra_labels: BTreeMap::new(),
                solver_image: None,
                solver_resources: BTreeMap::new(),
                solver_run_as_non_root: true,
                solver_runtime_class: None,
                path_type_exact: true,
            },
            dns01: Dns01Settings {
                recursive_nameservers: Vec::new(),
                recursive_only: false,
                check_retry_period: Duration::from_secs(10),
                ambient_for_issuers: false,
                ambient_for_cluster_issuers: true,
            },
            gateway: GatewaySettings::default(),
            ari_minimum_interval: None,
            gates: Gates {
                literal_subject: true,
                stable_request_name: true,
                basic_constraints_in_request: false,
                name_constraints: true,
                other_names: true,
                ari: true,
                certificate_signing_requests: false,
                gateway_api: true,
                listener_sets: false,
            },
            injection: InjectionSettings {
                enabled: true,
                alone: false,
                excluded: Vec::new(),
                certificates: true,
                ignored_namespaces: Vec::new(),
            },
            secret_sync: true,
            bundles: BundleSettings::default(),
            pod: Pod::default(),
        }
    }
}
