//! The table is also in the map.

use super::*;

fn name(source: Source) -> &'static str {
    match source {
        Certificate => "Certificate",
        Request => "CertificateRequest",
        Order => "Order",
        Challenge => "Challenge",
        Issuer => "Issuer, ClusterIssuer",
        Ingress => "Ingress",
        Gateway => "Gateway",
        ListenerSet => "ListenerSet",
        HttpRoute => "HTTPRoute",
        Secret => "Secret with our label",
        UnlabelledSecret => "Secret without it",
        UnlabelledSecrets => "list of Secrets without it",
        SigningRequest => "CertificateSigningRequest",
        Bundle => "Bundle",
        Namespace => "Namespace",
        ConfigMap => "ConfigMap",
        ConfigMaps => "list of ConfigMaps",
        InjectionTarget => {
            "ValidatingWebhookConfiguration, MutatingWebhookConfiguration, APIService, CustomResourceDefinition"
        }
    }
}

#[test]
fn the_map_of_the_house_has_this_table() {
    let rows = ROWS.iter().map(|Row(sources, target, which)| {
        let sources: Vec<_> = sources.iter().map(|source| name(*source)).collect();
        format!("| {} | {} | {which} |\n", sources.join("; "), target.name())
    });
    let table: String = rows.collect();
    let map = include_str!("../../../docs/architecture.md");
    assert!(map.contains(&table), "docs/architecture.md should have:\n{table}");
}
