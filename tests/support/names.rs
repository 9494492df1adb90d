//! The DNS of the bed (pebble-challtestsrv): every name leads to 10.99.0.1 until a test says otherwise.

use serde_json::{Value, json};

/// Changes what the DNS of the bed answers. A test uses names of its own, so that tests do not disturb each other.
#[derive(Clone)]
pub(crate) struct Names {
    management: String,
    http: reqwest::Client,
}

impl Names {
    pub(super) fn of_bed() -> Self {
        Self {
            management: "http://127.0.0.1:8055".to_owned(),
            http: plain_http(),
        }
    }

    /// The address to be given as `--acme-http01-solver-nameservers`.
    pub(crate) const SERVER: &'static str = "127.0.0.1:8053";

    /// The name has exactly these IPv4 addresses.
    pub(crate) async fn set_a(&self, host: &str, addresses: &[&str]) {
        self.post("clear-a", &json!({"host": host})).await;
        self.post("add-a", &json!({"host": host, "addresses": addresses})).await;
    }

    /// The name leads to 10.99.0.1 again.
    pub(crate) async fn clear_a(&self, host: &str) {
        self.post("clear-a", &json!({"host": host})).await;
    }

    /// The name has these IPv6 addresses.
    pub(crate) async fn add_aaaa(&self, host: &str, addresses: &[&str]) {
        self.post("add-aaaa", &json!({"host": host, "addresses": addresses}))
            .await;
    }

    /// The name is an alias.
    pub(crate) async fn set_cname(&self, host: &str, target: &str) {
        self.post("set-cname", &json!({"host": host, "target": target})).await;
    }

    /// Questions about the name are answered with SERVFAIL.
    pub(crate) async fn set_servfail(&self, host: &str) {
        self.post("set-servfail", &json!({"host": host})).await;
    }

    /// Ends [`Self::set_servfail`].
    pub(crate) async fn clear_servfail(&self, host: &str) {
        self.post("clear-servfail", &json!({"host": host})).await;
    }

    /// Only the CA with this identity may issue for the name (Pebble is `pebble.letsencrypt.org`).
    pub(crate) async fn add_caa(&self, host: &str, issuer: &str) {
        let policies = json!([{"tag": "issue", "value": issuer}]);
        self.post("add-caa", &json!({"host": host, "policies": policies})).await;
    }

    /// Publishes a TXT record, for example of a DNS-01 challenge.
    pub(crate) async fn set_txt(&self, host: &str, value: &str) {
        self.post("set-txt", &json!({"host": host, "value": value})).await;
    }

    /// What was asked about the name so far.
    pub(crate) async fn questions(&self, host: &str) -> Vec<Value> {
        let answer = self.post("dns-request-history", &json!({"host": host})).await;
        serde_json::from_str(&answer).unwrap_or_default()
    }

    async fn post(&self, path: &str, body: &Value) -> String {
        let url = format!("{}/{path}", self.management);
        let answer = self.http.post(&url).body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{url} answered {}", answer.status());
        answer.text().await.unwrap()
    }
}

/// A client for plain HTTP inside the bed: no proxy, no redirects.
pub(crate) fn plain_http() -> reqwest::Client {
    reqwest::Client::builder()
        .user_agent("certlet-tests")
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
