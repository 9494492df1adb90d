//! Why Azure gives no token.

use jiff::Timestamp;

use super::wrong;
use crate::cloud::{Fault, FaultKind, Reply, oauth};

/// Numbers of errors (`AADSTS…`), and what to do about them.
const CODES: [(u32, &str); 14] = [
    (
        7_000_215,
        "the client secret is wrong: store its value, not its identifier",
    ),
    (7_000_222, "the client secret has expired: create another one"),
    (
        7_000_216,
        "the client secret is missing or not accepted for this application",
    ),
    (
        700_016,
        "the tenant has no such application: check the client ID and the tenant",
    ),
    (7_000_112, "the application is disabled in the tenant"),
    (
        90_002,
        "there is no such tenant: check the tenant ID and the environment",
    ),
    (900_023, "the tenant is neither an identifier nor a domain name"),
    (
        900_382,
        "the tenant belongs to another of Azure's clouds: check the environment",
    ),
    (
        70_021,
        "no federated credential of the application fits the token: check its issuer, subject and audience",
    ),
    (
        700_211,
        "no federated credential of the application has this issuer: it must be that of the cluster",
    ),
    (
        700_212,
        "no federated credential of the application has this audience: it must be api://AzureADTokenExchange",
    ),
    (
        700_213,
        "no federated credential of the application has this subject: it must be \
         system:serviceaccount:<namespace>:<name> of certlet's ServiceAccount",
    ),
    (
        500_011,
        "the tenant does not know Azure Resource Manager of this cloud: check the environment",
    ),
    (53_003, "a conditional access policy of the tenant forbids it"),
];

/// Errors of a token whose time does not fit.
const CLOCK: [u32; 2] = [700_024, 700_027];

/// The token was refused to this identity.
pub(super) fn refused(reply: &Reply, who: &str, now: Timestamp) -> Fault {
    let refused = oauth::refused(reply);
    let numbers = &refused.error_codes;
    if let Some((number, words)) = CODES.iter().find(|(number, _)| numbers.contains(number)) {
        return wrong(format!(
            "{} gives no token to {who}: {words} (AADSTS{number})",
            reply.server
        ));
    }
    // 700027 is also a wrong signature: only the time that the token has is a matter of clocks
    if CLOCK.iter().any(|number| numbers.contains(number)) && refused.error_description.contains("time range") {
        let difference = oauth::clock_difference(reply, now);
        let sentence = format!("{} does not accept the time of the token: {difference}", reply.server);
        return Fault::new(FaultKind::Clock, sentence);
    }
    let number = numbers
        .first()
        .map_or_else(String::new, |number| format!(" (AADSTS{number})"));
    wrong(format!(
        "{} gives no token to {who}: {}{number}",
        reply.server,
        oauth::known_code(&refused.error)
    ))
}

/// The metadata service answered 400.
pub(super) fn not_assigned(reply: &Reply, who: &str) -> Fault {
    wrong(format!(
        "{} does not know {who}: assign it to the machines of the node pool, and name it in azureDNS.managedIdentity if there are several",
        reply.server
    ))
}

/// The metadata service does not answer.
pub(super) fn no_metadata(Fault { kind, sentence }: Fault) -> Fault {
    let sentence = format!(
        "{sentence}; without azureDNS.clientID a managed identity is used, which exists in Azure only: set clientID, tenantID and \
         clientSecretSecretRef, or use workload identity"
    );
    Fault { kind, sentence }
}
