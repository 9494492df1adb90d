//! Validation rules of an issuer's DNS-01 solvers (VAL-30).

use super::issuer_rules::{secret_key, secret_name};
use super::rule::Rule;

const ROW: &str = "VAL-30";

/// Whether any part of a service principal is given.
macro_rules! azure_principal {
    () => {
        "(has(self.clientID) && self.clientID != '') || (has(self.tenantID) && self.tenantID != '')
         || has(self.clientSecretSecretRef)"
    };
}

/// The rules of `spec.acme.solvers[].dns01`.
pub(super) const RULES: &[Rule] = &[
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01",
        "has(self.acmeDNS) || has(self.akamai) || has(self.azureDNS) || has(self.cloudDNS) || has(self.cloudflare)
         || has(self.digitalocean) || has(self.rfc2136) || has(self.route53) || has(self.webhook)",
        "no DNS01 provider configured",
    )
    .missing(),
    // acmeDNS beside one of the first five passes, as it does in cert-manager (NB-29).
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01",
        "[has(self.akamai), has(self.azureDNS), has(self.cloudDNS), has(self.cloudflare), has(self.route53),
          has(self.digitalocean), has(self.rfc2136), has(self.webhook)].filter(set, set).size() <= 1
         && !(has(self.acmeDNS) && (has(self.digitalocean) || has(self.rfc2136) || has(self.webhook)))",
        "may not specify more than one provider type",
    )
    .forbidden(),
    secret_name(ROW, "spec.acme.solvers[].dns01.acmeDNS.accountSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.acmeDNS.accountSecretRef"),
    required("spec.acme.solvers[].dns01.acmeDNS.host"),
    secret_name(ROW, "spec.acme.solvers[].dns01.akamai.accessTokenSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.akamai.accessTokenSecretRef"),
    secret_name(ROW, "spec.acme.solvers[].dns01.akamai.clientSecretSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.akamai.clientSecretSecretRef"),
    secret_name(ROW, "spec.acme.solvers[].dns01.akamai.clientTokenSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.akamai.clientTokenSecretRef"),
    required("spec.acme.solvers[].dns01.akamai.serviceConsumerDomain"),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS",
        concat!("!(", azure_principal!(), ") || (has(self.clientID) && self.clientID != '')"),
        "clientID, clientSecretSecretRef and tenantID are required together",
    )
    .naming(".clientID")
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS",
        concat!("!(", azure_principal!(), ") || (has(self.clientSecretSecretRef))"),
        "clientID, clientSecretSecretRef and tenantID are required together",
    )
    .naming(".clientSecretSecretRef")
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS",
        concat!("!(", azure_principal!(), ") || (has(self.tenantID) && self.tenantID != '')"),
        "clientID, clientSecretSecretRef and tenantID are required together",
    )
    .naming(".tenantID")
    .missing(),
    secret_name(ROW, "spec.acme.solvers[].dns01.azureDNS.clientSecretSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.azureDNS.clientSecretSecretRef"),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS",
        concat!("!has(self.managedIdentity) || !(", azure_principal!(), ")"),
        "managed identity cannot be used at the same time as clientID, clientSecretSecretRef or tenantID",
    )
    .naming(".managedIdentity")
    .forbidden(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS.managedIdentity",
        "!has(self.clientID) || self.clientID == '' || !has(self.resourceID) || self.resourceID == ''",
        "managedIdentityClientID and managedIdentityResourceID cannot both be specified",
    )
    .forbidden(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS.managedIdentity",
        "!has(self.tenantID) || self.tenantID == '' || !has(self.resourceID) || self.resourceID == ''",
        "managedIdentityTenantID and managedIdentityResourceID cannot both be specified",
    )
    .forbidden(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.azureDNS.managedIdentity",
        "!has(self.tenantID) || self.tenantID == '' || (has(self.clientID) && self.clientID != '')",
        "managedIdentityClientID is required when using managedIdentityTenantID",
    )
    .missing(),
    required("spec.acme.solvers[].dns01.azureDNS.subscriptionID"),
    required("spec.acme.solvers[].dns01.azureDNS.resourceGroupName"),
    secret_name(ROW, "spec.acme.solvers[].dns01.cloudDNS.serviceAccountSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.cloudDNS.serviceAccountSecretRef"),
    required("spec.acme.solvers[].dns01.cloudDNS.project"),
    secret_name(ROW, "spec.acme.solvers[].dns01.cloudflare.apiKeySecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.cloudflare.apiKeySecretRef"),
    secret_name(ROW, "spec.acme.solvers[].dns01.cloudflare.apiTokenSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.cloudflare.apiTokenSecretRef"),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.cloudflare",
        "!has(self.apiKeySecretRef) || !has(self.apiTokenSecretRef)",
        "apiKeySecretRef and apiTokenSecretRef cannot both be specified",
    )
    .forbidden(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.cloudflare",
        "has(self.apiKeySecretRef) || has(self.apiTokenSecretRef)",
        "apiKeySecretRef or apiTokenSecretRef is required",
    )
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.cloudflare",
        "!has(self.apiKeySecretRef) || (has(self.email) && self.email != '')",
        "email is required with apiKeySecretRef",
    )
    .naming(".email")
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.route53",
        "!has(self.accessKeyID) || self.accessKeyID == '' || !has(self.accessKeyIDSecretRef)",
        "accessKeyID and accessKeyIDSecretRef cannot both be specified",
    )
    .forbidden(),
    secret_name(ROW, "spec.acme.solvers[].dns01.route53.accessKeyIDSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.route53.accessKeyIDSecretRef"),
    secret_name(ROW, "spec.acme.solvers[].dns01.digitalocean.tokenSecretRef"),
    secret_key(ROW, "spec.acme.solvers[].dns01.digitalocean.tokenSecretRef"),
    required("spec.acme.solvers[].dns01.rfc2136.nameserver"),
    // Split as Go's net.SplitHostPort does: a host without a port, [host] with or without what follows, host:port.
    // Whether host and port are valid shows only at the query.
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.rfc2136.nameserver",
        r"self == '' || self.trim().matches(
            r'^([^:]*[^:\[\]][^:]*|\[[^\[\]]+]:[^:\[\]]*|\[[^\]]*[^\[\]][^\]]*]|\[[^\]]*][^:].*|[^:\[\]]+:[^:\[\]]*)$')",
        "nameserver must be set in the form host:port where host is an IPv4 address, an enclosed IPv6 address or a \
         hostname and port is an optional port number.",
    ),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.rfc2136.tsigAlgorithm",
        "self.matches('^((?i)HMAC(MD5|SHA1|SHA256|SHA512))?$')",
        "supported values: \"HMACMD5\", \"HMACSHA1\", \"HMACSHA256\", \"HMACSHA512\"",
    ),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.rfc2136",
        "!has(self.tsigKeyName) || self.tsigKeyName == '' || (has(self.tsigSecretSecretRef) && self.tsigSecretSecretRef.name != '')",
        "secret name is required",
    )
    .naming(".tsigSecretSecretRef")
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.rfc2136",
        "!has(self.tsigKeyName) || self.tsigKeyName == ''
         || (has(self.tsigSecretSecretRef) && has(self.tsigSecretSecretRef.key) && self.tsigSecretSecretRef.key != '')",
        "secret key is required",
    )
    .naming(".tsigSecretSecretRef")
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.rfc2136",
        "(has(self.tsigKeyName) && self.tsigKeyName != '') || !has(self.tsigSecretSecretRef) || self.tsigSecretSecretRef.name == ''
         || !has(self.tsigSecretSecretRef.key) || self.tsigSecretSecretRef.key == ''",
        "tsigKeyName is required with tsigSecretSecretRef",
    )
    .naming(".tsigKeyName")
    .missing(),
    Rule::new(
        ROW,
        "spec.acme.solvers[].dns01.webhook.solverName",
        "self != ''",
        "solver name must be specified",
    )
    .missing(),
];

const fn required(at: &'static str) -> Rule {
    Rule::new(ROW, at, "self != ''", "must be specified").missing()
}
