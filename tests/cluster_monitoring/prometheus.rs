//! A Prometheus of the tests' own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rules;
use crate::support::bed::project;
use crate::support::{IN_TIME, eventually, plain_http};

const ADDRESS: &str = "127.0.0.1:9090";

/// A Prometheus that scrapes one certlet four times a second, as a `ServiceMonitor` with cert-manager's job label has it.
pub(crate) struct Prometheus {
    child: Child,
    _files: TempDir,
}

impl Prometheus {
    pub(crate) fn start(certlet: SocketAddr) -> Self {
        Self::start_with(certlet, &json!({"scheme": "http"}))
    }

    /// With further fields of the scrape configuration, for example of TLS.
    pub(crate) fn start_with(certlet: SocketAddr, fields: &Value) -> Self {
        let files = TempDir::new().unwrap();
        let mut config = json!({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
            "rule_files": ["rules.yaml", project().join("tests/data/monitoring/mixin.yaml")],
            "scrape_configs": [{
                "job_name": "cert-manager",
                "static_configs": [{"targets": [certlet.to_string()], "labels": {"namespace": "cert-manager"}}],
            }],
        });
        let scrape = config["scrape_configs"][0].as_object_mut().unwrap();
        scrape.extend(fields.as_object().unwrap().clone());
        std::fs::write(files.path().join("prometheus.yml"), config.to_string()).unwrap();
        std::fs::write(files.path().join("rules.yaml"), rules().to_string()).unwrap();
        let child = Command::new("prometheus")
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={ADDRESS}"))
            .arg("--log.level=warn")
            .current_dir(files.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _files: files }
    }

    /// `data` of an answer of its API; `None` while nobody answers.
    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let url = reqwest::Url::parse_with_params(&format!("http://{ADDRESS}/api/v1/{path}"), parameters).unwrap();
        let text = plain_http().get(url).send().await.ok()?.text().await.ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        Some(answer["data"].clone())
    }

    /// The series that a query returns.
    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        let data = self.ask("query", &[("query", query)]).await;
        data.map_or_else(Vec::new, |data| data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until a query returns something.
    pub(crate) async fn returns(&self, query: &str) -> Vec<Value> {
        eventually(&format!("a result of {query}"), IN_TIME, async || {
            Some(self.query(query).await).filter(|found| !found.is_empty())
        })
        .await
    }

    /// All rules by name, once each of them was evaluated.
    pub(crate) async fn evaluated(&self) -> BTreeMap<String, Value> {
        eventually("all rules were evaluated", IN_TIME, async || {
            let data = self.ask("rules", &[]).await?;
            let groups = data["groups"].as_array()?.iter();
            let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
            let is_done = |rule: &&Value| rule["health"] != "unknown";
            let named = |rule: &Value| (rule["name"].as_str().unwrap().to_owned(), rule.clone());
            (!rules.is_empty() && rules.iter().all(is_done)).then(|| rules.iter().map(|rule| named(rule)).collect())
        })
        .await
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
