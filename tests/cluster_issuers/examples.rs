//! What cert-manager's documentation shows is taken as it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Place;
use crate::support::shop::condition;

/// The Secrets that the solvers name, with their keys.
const SECRETS: [(&str, &[&str]); 7] = [
    ("acme-dns", &["acmedns.json"]),
    ("akamai", &["clientToken", "clientSecret", "accessToken"]),
    ("azure", &["client-secret"]),
    ("google", &["key.json"]),
    ("cloudflare", &["api-token", "api-key"]),
    ("digitalocean", &["access-token"]),
    ("aws", &["access-key-id", "secret-access-key"]),
];

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn every_dns01_solver_of_cert_managers_documentation_makes_an_issuer_that_is_ready_and_has_no_complaint() {
    let place = Place::new().await;
    let solvers: BTreeMap<String, Value> = serde_saphyr::from_str(include_str!("../data/dns01/solvers.yaml")).unwrap();
    for (name, keys) in SECRETS.into_iter().chain([("tsig", ["secret"].as_slice())]) {
        let data: BTreeMap<_, _> = keys.iter().map(|key| (key, "x")).collect();
        place.secret(name, json!(data)).await;
    }
    for (name, solver) in &solvers {
        place.acme_issuer(name, &json!({"solvers": [{"dns01": solver}]})).await;
    }
    for (name, solver) in &solvers {
        let issuer = place.is_ready(name).await;
        assert_eq!(&issuer.data["spec"]["acme"]["solvers"][0]["dns01"], solver, "{name}");
        let complaint = condition(&issuer, "SolversSupported");
        assert_ne!(complaint["status"], "False", "{name}: {complaint}");
    }
}
