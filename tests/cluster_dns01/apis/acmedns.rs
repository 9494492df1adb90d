//! An acme-dns server (<https://github.com/joohoi/acme-dns>): an account has one name, which an alias leads to, and its two newest values.

use http::Method;
use serde_json::{Value, json};

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::Records,
    server::Api,
};

const HOST: &str = "auth.certlet-tests.net";
const USER: &str = "eabcdb41-d89f-4580-826f-3e62e9755ef2";
const PASSWORD: &str = "htB9mR9DYgcu9bX_afHF62erXaH2TS7bg9KW3F7Z";
const SUBDOMAIN: &str = "d420c923-bbd7-4056-ab64-c3ca54c9b3cf";
/// The name to prove. BIND has an alias from its challenge name to the name of the account.
const ALIAS: &str = "acme-dns.dns01.example";
const FULL: &str = "d420c923-bbd7-4056-ab64-c3ca54c9b3cf.other.example";
/// How many values an account has.
const KEPT: usize = 2;

/// A server with one account. It never removes a value.
struct AcmeDns(Records);

impl AcmeDns {
    fn new() -> Self {
        Self(Records::of("other.example"))
    }
}

impl Api for AcmeDns {
    const HOSTS: &'static [&'static str] = &[HOST];
    const WORDS: &'static [&'static str] = &["update", "register"];

    async fn answer(&self, asked: &Asked) -> Answer {
        if (&asked.method, asked.segments().as_slice()) != (&Method::POST, &["update"]) {
            return Answer::new(404, Value::Null);
        }
        if asked.header("x-api-user") != Some(USER) || asked.header("x-api-key") != Some(PASSWORD) {
            return Answer::new(401, json!({"error": "forbidden"}));
        }
        // the server does not look at the type of the body
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if body["subdomain"] != SUBDOMAIN {
            return Answer::new(401, json!({"error": "forbidden"}));
        }
        let Some(txt) = body["txt"].as_str().filter(|txt| txt.len() == 43) else {
            return Answer::new(400, json!({"error": "bad_txt"}));
        };
        let mut records = self.0.hold().await;
        let mut values = records.get(FULL).map(|set| set.values.clone()).unwrap_or_default();
        values.push(txt.to_owned());
        let newest = values.split_off(values.len().saturating_sub(KEPT));
        records.put(FULL, 1, newest).await;
        Answer::ok(json!({"txt": txt}))
    }
}

/// The accounts, as lego and cert-manager keep them.
fn accounts(password: &str) -> String {
    let account =
        json!({"username": USER, "password": password, "fulldomain": FULL, "subdomain": SUBDOMAIN, "allowfrom": []});
    json!({ALIAS: account}).to_string()
}

fn secret(password: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "acme-dns"},
        "stringData": {"accounts.json": accounts(password)},
    })
    .to_string()
}

const SOLVER: &str = "{dns01: {acmeDNS: {host: 'https://auth.certlet-tests.net', accountSecretRef: {name: acme-dns, key: accounts.json}}}}";

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_08_certlet_asks_acme_dns_as_lego_does() {
    let Some((scene, server)) = open(AcmeDns::new(), "acme-dns, with lego as its judge").await else {
        return;
    };
    let file = scene.bed.path("run/acme-dns.json");
    std::fs::write(&file, accounts(PASSWORD)).unwrap();
    let case = Case {
        provider: "acme-dns",
        variables: &[
            ("ACME_DNS_API_BASE", "https://auth.certlet-tests.net"),
            ("ACME_DNS_STORAGE_PATH", file.to_str().unwrap()),
        ],
        kept: Some(ALIAS),
        solver: SOLVER,
        secret: &secret(PASSWORD),
        exceptions: &[],
    };
    judge(&scene, &server, &case).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn an_account_that_acme_dns_does_not_know_is_named_with_its_secret() {
    let Some((scene, server)) = open(AcmeDns::new(), "a wrong password at acme-dns").await else {
        return;
    };
    let wrong = PASSWORD.replace("htB9", "AAAA");
    let case = Case {
        provider: "acme-dns",
        variables: &[],
        kept: Some(ALIAS),
        solver: SOLVER,
        secret: &secret(PASSWORD),
        exceptions: &[],
    };
    let refused = Wrong {
        secret: &secret(&wrong),
        hidden: &wrong,
        words: &[
            "does not accept the account for acme-dns.dns01.example",
            HOST,
            &format!("{}/acme-dns", scene.namespace),
        ],
    };
    refusal(&scene, &server, &case, &refused).await;
}
