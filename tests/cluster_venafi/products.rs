//! The three products: `CyberArk`'s own client gets a certificate, then certlet does, and their requests are the same but for what is listed here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    ALIAS, APPLICATION_AND_ALIAS, Place, URL,
    support::{command::split_pem, openssl_verify, run},
};

/// A call: its method and its path, with a star for what a server chose.
type Call = (String, String);

/// The calls with the bodies of the last one of each.
fn calls(sent: &[Value]) -> BTreeMap<Call, Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sent.iter()
        .map(|request| {
            let path = text(&request["path"]);
            let parts: Vec<&str> = path
                .split('/')
                .map(|part| if part.len() >= 36 { "*" } else { part })
                .collect();
            ((text(&request["method"]), parts.join("/")), request["body"].clone())
        })
        .collect()
}

/// The names of the fields of a body.
fn fields(body: &Value) -> BTreeSet<String> {
    body.as_object()
        .into_iter()
        .flat_map(|body| body.keys().cloned())
        .collect()
}

/// What is different, and why.
struct Different {
    /// Calls that only vcert for Python makes.
    only_client: &'static [&'static str],
    /// Calls that only certlet makes, as cert-manager and vcert for Go do.
    only_certlet: &'static [&'static str],
    /// Fields that only certlet sends, as cert-manager and vcert for Go do.
    more: &'static [&'static str],
    /// Fields that only vcert for Python sends.
    less: &'static [&'static str],
}

async fn compared(test: &str, product: &str, url: &str, venafi: Value, different: &Different) {
    let Some(place) = Place::open(test).await else {
        return;
    };
    let roots = place.scene.bed.path("venafi-tls.crt");
    let client_host = place.scene.host("client");
    let printed = run("bed-vcert", &[product, url, roots.to_str().unwrap(), &client_host]).await;
    let chain = split_pem(&printed);
    assert_eq!(chain.len(), 3, "{printed}");
    openssl_verify(&place.root, &chain, &client_host).await.unwrap();

    place.issuer("venafi", venafi).await;
    place.is_ready("venafi").await;
    place.issue("web", "venafi").await;

    let (theirs, ours) = (calls(&place.sent(false).await), calls(&place.sent(true).await));
    let names = |all: &BTreeMap<Call, Value>| -> BTreeSet<String> {
        all.keys().map(|(method, path)| format!("{method} {path}")).collect()
    };
    let (their_names, our_names) = (names(&theirs), names(&ours));
    let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(
        &their_names - &our_names,
        list(different.only_client),
        "calls of vcert only"
    );
    assert_eq!(
        &our_names - &their_names,
        list(different.only_certlet),
        "calls of certlet only"
    );
    let (mut more, mut less) = (BTreeSet::new(), BTreeSet::new());
    for (call, their_body) in &theirs {
        let Some(our_body) = ours.get(call) else { continue };
        let (their_fields, our_fields) = (fields(their_body), fields(our_body));
        more.extend(&our_fields - &their_fields);
        less.extend(&their_fields - &our_fields);
        for same in [
            "PolicyDN",
            "certificateIssuingTemplateId",
            "applicationId",
            "grant_type",
            "scope",
        ] {
            // each client has its own scope in Self-Hosted
            if same != "scope" || call.1.ends_with("access_token") {
                assert_eq!(their_body.get(same), our_body.get(same), "{call:?} {same}");
            }
        }
    }
    assert_eq!(more, list(different.more), "fields of certlet only");
    assert_eq!(less, list(different.less), "fields of vcert only");
    let log = place.certlet.log();
    for secret in ["managed-token", "Bearer", "client_secret", "\"password\""] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn self_hosted_gives_a_certificate_to_a_user() {
    let different = Different {
        only_client: &[],
        only_certlet: &["GET /vedsdk/", "POST /vedsdk/certificates/reset"],
        more: &["EllipticCurve", "KeyAlgorithm", "Reenable", "SubjectAltNames"],
        less: &["RootFirstOrder", "state"],
    };
    let spec =
        json!({"zone": "Certificates", "tpp": {"url": format!("{URL}/vedsdk"), "credentialsRef": {"name": "user"}}});
    compared("Self-Hosted of Venafi", "tpp", URL, spec, &different).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn self_hosted_gives_a_certificate_for_an_access_token() {
    let different = Different {
        only_client: &[],
        only_certlet: &[
            "GET /vedauth/authorize/verify",
            "GET /vedsdk/",
            "POST /vedsdk/certificates/reset",
        ],
        more: &["EllipticCurve", "KeyAlgorithm", "Reenable", "SubjectAltNames"],
        less: &["RootFirstOrder"],
    };
    let spec = json!({"zone": r"\VED\Policy\Certificates", "tpp": {"url": URL, "credentialsRef": {"name": "token"}}});
    compared("tokens of Venafi", "tpp-token", URL, spec, &different).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn saas_gives_a_certificate_for_an_api_key() {
    let different = Different {
        // it asks whether the server has made the key
        only_client: &["GET /outagedetection/v1/certificates/*"],
        only_certlet: &[],
        more: &[],
        less: &[],
    };
    let spec = json!({"zone": APPLICATION_AND_ALIAS, "cloud": {"url": URL, "apiTokenSecretRef": {"name": "key"}}});
    compared("SaaS of Venafi", "cloud", URL, spec, &different).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn next_gen_trust_security_gives_a_certificate_to_a_service_account() {
    let different = Different {
        only_client: &["GET /ngts/outagedetection/v1/certificates/*"],
        only_certlet: &[],
        more: &[],
        less: &[],
    };
    let url = format!("{URL}/ngts");
    let spec = json!({"zone": ALIAS, "ngts": {"url": url, "tokenEndpoint": format!("{URL}/oauth2/access_token"),
        "tsgID": "1234567890", "credentialsRef": {"name": "account"}}});
    compared("Next-Gen Trust Security", "ngts", &url, spec, &different).await;
}
