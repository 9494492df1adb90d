//! Validation rules of an issuer's solvers without DNS-01 (VAL-28, VAL-29). Solvers of Challenges are not validated
//! (VAL-37).

use super::certificate_rules::go_duration;
use super::rule::Rule;

/// The rules of one element of `spec.acme.solvers`.
pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "VAL-28",
        "spec.acme.solvers[]",
        "!has(self.http01) || !has(self.dns01)",
        "may not specify more than one solver type in a single solver",
    )
    .forbidden(),
    Rule::new(
        "VAL-28",
        "spec.acme.solvers[]",
        "has(self.http01) || has(self.dns01)",
        "no solver type configured",
    )
    .missing(),
    Rule::new(
        "VAL-28",
        "spec.acme.solvers[].waitInsteadOfSelfCheck",
        concat!("self.matches(", go_duration!(), ")"),
        "must be a duration of hours, minutes and seconds, for example 2m",
    ),
    Rule::new(
        "VAL-28",
        "spec.acme.solvers[].waitInsteadOfSelfCheck",
        "!self.matches('^-.*[1-9]')",
        "waitInsteadOfSelfCheck must not be negative",
    ),
    Rule::new(
        "VAL-29",
        "spec.acme.solvers[].http01",
        "has(self.ingress) || has(self.gatewayHTTPRoute)",
        "no HTTP01 solver type configured",
    )
    .missing(),
    Rule::new(
        "VAL-29",
        "spec.acme.solvers[].http01",
        "!has(self.ingress) || !has(self.gatewayHTTPRoute)",
        "only 1 HTTP01 solver type may be configured",
    )
    .forbidden(),
    Rule::new(
        "VAL-29",
        "spec.acme.solvers[].http01.ingress",
        "[has(self.class), has(self.ingressClassName), has(self.name) && self.name != ''].filter(set, set).size() <= 1",
        "only one of 'ingressClassName', 'name' or 'class' should be specified",
    )
    .forbidden(),
    Rule::new(
        "VAL-29",
        "spec.acme.solvers[].http01.ingress.ingressClassName",
        "!format.dns1123Subdomain().validate(self).hasValue()",
        "must be a valid IngressClass name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
         characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com')",
    ),
    service_type("spec.acme.solvers[].http01.ingress.serviceType"),
    service_type("spec.acme.solvers[].http01.gatewayHTTPRoute.serviceType"),
    // kind is stored with its default, so a name without a kind cannot be.
];

const fn service_type(at: &'static str) -> Rule {
    Rule::new(
        "VAL-29",
        at,
        "self in ['', 'ClusterIP', 'NodePort']",
        "must be empty, \"ClusterIP\" or \"NodePort\"",
    )
}
