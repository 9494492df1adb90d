//! Proving a name by a TXT record (RFC 8555 section 8.4, DNS rows).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeySelector;
use super::reference::ServiceAccountRef;
use super::wire_enum::wire_enum;

/// Where the TXT record is written: exactly one provider is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dns01 {
    /// An acme-dns server.
    #[serde(rename = "acmeDNS", default, skip_serializing_if = "Option::is_none")]
    pub acme_dns: Option<AcmeDns>,
    /// Akamai Edge DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub akamai: Option<Akamai>,
    /// Azure DNS.
    #[serde(rename = "azureDNS", default, skip_serializing_if = "Option::is_none")]
    pub azure_dns: Option<AzureDns>,
    /// Google Cloud DNS.
    #[serde(rename = "cloudDNS", default, skip_serializing_if = "Option::is_none")]
    pub cloud_dns: Option<CloudDns>,
    /// Cloudflare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudflare: Option<Cloudflare>,
    /// Whether a CNAME of the _acme-challenge name is followed (Follow) or not (None, if not set).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname_strategy: Option<CnameStrategy>,
    /// `DigitalOcean`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digitalocean: Option<DigitalOcean>,
    /// DNS servers (host:port, or https:// for DNS over HTTPS) with which the self-check looks up the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// A DNS server that takes dynamic updates (RFC 2136).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfc2136: Option<Rfc2136>,
    /// Amazon Route 53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route53: Option<Route53>,
    /// Another provider, through its webhook in the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

impl Dns01 {
    /// The field of its provider, if certlet does not support that: `dns01` if there is none.
    pub fn unsupported(&self) -> Option<&'static str> {
        let Self {
            acme_dns,
            akamai,
            azure_dns,
            cloud_dns,
            cloudflare,
            cname_strategy: _,
            digitalocean,
            nameservers: _,
            rfc2136,
            route53,
            webhook,
        } = self;
        let supported = acme_dns.is_some()
            || akamai.is_some()
            || azure_dns.is_some()
            || cloud_dns.is_some()
            || cloudflare.is_some()
            || digitalocean.is_some()
            || rfc2136.is_some()
            || route53.is_some()
            || webhook.is_some();
        (!supported).then_some("dns01")
    }

    /// What it says about CNAMEs. With acme-dns they are always followed: the CNAME is how it works.
    pub fn follows(&self) -> CnameStrategy {
        match self.acme_dns {
            Some(_) => CnameStrategy::Follow,
            None => self.cname_strategy.unwrap_or_default(),
        }
    }

    /// The references to Secrets without which it cannot work, in cert-manager's order (ACC-09). A webhook's are its own.
    pub fn required_secrets(&self) -> impl Iterator<Item = &SecretKeySelector> {
        let Self {
            acme_dns,
            akamai,
            azure_dns,
            cloud_dns,
            cloudflare,
            cname_strategy: _,
            digitalocean,
            nameservers: _,
            rfc2136,
            route53,
            webhook: _,
        } = self;
        // the API server fills these in with empty names where they are not set
        let named = |secret: &&SecretKeySelector| !secret.name.is_empty();
        let akamai = akamai.iter().flat_map(|akamai| {
            [
                &akamai.access_token_secret_ref,
                &akamai.client_secret_secret_ref,
                &akamai.client_token_secret_ref,
            ]
        });
        let azure = azure_dns
            .iter()
            .filter_map(|azure| azure.client_secret_secret_ref.as_ref());
        let google = cloud_dns
            .iter()
            .filter_map(|google| google.service_account_secret_ref.as_ref());
        let cloudflare = cloudflare.iter().flat_map(|cloudflare| {
            let both = [&cloudflare.api_key_secret_ref, &cloudflare.api_token_secret_ref];
            both.into_iter().flatten()
        });
        let route53 = route53.iter().flat_map(move |route53| {
            let secret = route53.secret_access_key_secret_ref.as_ref().filter(named);
            secret.into_iter().chain(&route53.access_key_id_secret_ref)
        });
        let acme_dns = acme_dns.iter().map(|acme_dns| &acme_dns.account_secret_ref);
        let digitalocean = digitalocean.iter().map(|digitalocean| &digitalocean.token_secret_ref);
        let rfc2136 = rfc2136
            .iter()
            .filter_map(|rfc2136| rfc2136.tsig_secret_secret_ref.as_ref());
        akamai
            .chain(azure)
            .chain(google)
            .chain(cloudflare)
            .chain(route53)
            .chain(acme_dns)
            .chain(digitalocean)
            .chain(rfc2136.filter(named))
    }
}

wire_enum! {
    /// Whether CNAMEs are followed.
    #[derive(Default)]
    pub enum CnameStrategy {
        /// The record is written where it is looked for, the default.
        #[default]
        None = "None",
        /// The record is written where the CNAME points.
        Follow = "Follow",
    }
}

/// An acme-dns server (DNS-08).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcmeDns {
    /// Secret with the accounts, JSON by domain.
    pub account_secret_ref: SecretKeySelector,
    /// URL of the server.
    pub host: String,
}

/// Akamai Edge DNS (DNS-02).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Akamai {
    /// Secret with the access token.
    pub access_token_secret_ref: SecretKeySelector,
    /// Secret with the client secret.
    pub client_secret_secret_ref: SecretKeySelector,
    /// Secret with the client token.
    pub client_token_secret_ref: SecretKeySelector,
    /// Host of the API.
    pub service_consumer_domain: String,
}

/// Azure DNS (DNS-06).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureDns {
    /// Identifier of a service principal; needs clientSecretSecretRef and tenantID. Not together with managedIdentity.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Secret with the service principal's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_secret_ref: Option<SecretKeySelector>,
    /// Which of Azure's clouds; the public one if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<AzureEnvironment>,
    /// The zone; found by the name if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_zone_name: Option<String>,
    /// A managed identity or workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<AzureManagedIdentity>,
    /// Resource group that the zone is in.
    pub resource_group_name: String,
    /// Subscription that the zone is in.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: String,
    /// Tenant of the service principal.
    #[serde(rename = "tenantID", default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Kind of zone; public if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_type: Option<AzureZoneType>,
}

wire_enum! {
    /// One of Azure's clouds.
    #[derive(Default)]
    pub enum AzureEnvironment {
        /// The public cloud, the default.
        #[default]
        Public = "AzurePublicCloud",
        /// China.
        China = "AzureChinaCloud",
        /// Germany.
        German = "AzureGermanCloud",
        /// The government of the United States.
        UsGovernment = "AzureUSGovernmentCloud",
    }
}

wire_enum! {
    /// Kind of an Azure DNS zone.
    #[derive(Default)]
    pub enum AzureZoneType {
        /// Public, the default.
        #[default]
        Public = "AzurePublicZone",
        /// Private.
        Private = "AzurePrivateZone",
    }
}

/// A managed identity; at most one of clientID and resourceID is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AzureManagedIdentity {
    /// Client identifier of the identity.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Resource identifier of the identity.
    #[serde(rename = "resourceID", default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Tenant of the identity.
    #[serde(rename = "tenantID", default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
}

/// Google Cloud DNS (DNS-03).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudDns {
    /// The zone; found by the name if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_zone_name: Option<String>,
    /// Project that the zone is in.
    pub project: String,
    /// Secret with a service account's key in JSON; the identity of the place this runs in if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_secret_ref: Option<SecretKeySelector>,
}

/// Cloudflare: either a token, or an e-mail address with an API key (DNS-04).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cloudflare {
    /// Secret with the global API key; needs email.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<SecretKeySelector>,
    /// Secret with an API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_token_secret_ref: Option<SecretKeySelector>,
    /// E-mail address of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// `DigitalOcean` (DNS-07).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DigitalOcean {
    /// Secret with an API token.
    pub token_secret_ref: SecretKeySelector,
}

/// A DNS server that takes dynamic updates (DNS-09).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rfc2136 {
    /// Address of the server, host:port; port 53 if not set. IPv6 addresses are written in brackets.
    pub nameserver: String,
    /// UDP (if not set) or TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Rfc2136Protocol>,
    /// How updates are signed: HMACMD5 (if not set), HMACSHA1, HMACSHA256 or HMACSHA512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsig_algorithm: Option<String>,
    /// Name of the key that signs updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsig_key_name: Option<String>,
    /// Secret with the key that signs updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsig_secret_secret_ref: Option<SecretKeySelector>,
}

wire_enum! {
    /// How dynamic updates are sent.
    #[derive(Default)]
    pub enum Rfc2136Protocol {
        /// TCP.
        Tcp = "TCP",
        /// UDP, the default.
        #[default]
        Udp = "UDP",
    }
}

/// Amazon Route 53 (DNS-05).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route53 {
    /// Access key. Not together with accessKeyIDSecretRef.
    #[serde(rename = "accessKeyID", default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Secret with the access key.
    #[serde(rename = "accessKeyIDSecretRef", default, skip_serializing_if = "Option::is_none")]
    pub access_key_id_secret_ref: Option<SecretKeySelector>,
    /// How to log in without an access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Route53Auth>,
    /// The zone; found by the name if not set.
    #[serde(rename = "hostedZoneID", default, skip_serializing_if = "Option::is_none")]
    pub hosted_zone_id: Option<String>,
    /// AWS region; Route 53 itself needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// AWS role to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Secret with the secret key that belongs to the access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key_secret_ref: Option<SecretKeySelector>,
}

/// Login to AWS without an access key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route53Auth {
    /// With a token of a Kubernetes ServiceAccount.
    pub kubernetes: Route53KubernetesAuth,
}

/// Login to AWS with a token of a Kubernetes ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route53KubernetesAuth {
    /// The ServiceAccount whose token is exchanged for the role.
    pub service_account_ref: ServiceAccountRef,
}

/// The API group of the solvers that certlet itself has, beside those of its fields: `dns-persist`, `httpreq`, `pdns`.
pub const BUILT_IN_GROUP: &str = "certlet.io";

/// A provider that is reached through its webhook in the cluster (DNS-10), or one of [`BUILT_IN_GROUP`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Settings that are passed on as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::anything")]
    pub config: Option<serde_json::Value>,
    /// API group of the webhook.
    pub group_name: String,
    /// Name of the solver in that group.
    pub solver_name: String,
}
