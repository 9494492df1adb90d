//! `DigitalOcean`, as <https://docs.digitalocean.com/reference/api> describes it.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::{Records, ZONE, is_in_zone},
    server::Api,
};

const TOKEN: &str = "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An account with one domain.
#[derive(Default)]
struct DigitalOcean {
    records: Records,
    table: Mutex<Table>,
}

/// Name and value, by identifier.
#[derive(Default)]
struct Table {
    rows: BTreeMap<u64, (String, String)>,
    last: u64,
}

fn refused(status: u16, id: &str) -> Answer {
    Answer::new(status, json!({"id": id, "message": "In words."}))
}

/// A record: its name is relative to the domain.
fn shown(id: u64, (name, value): &(String, String)) -> Value {
    let relative = name.strip_suffix(&format!(".{ZONE}")).unwrap_or(name);
    json!({"id": id, "type": "TXT", "name": relative, "data": value, "ttl": 60, "priority": null, "port": null, "weight": null, "flags": null,
        "tag": null})
}

impl DigitalOcean {
    /// Lets BIND have the records of a name.
    async fn publish(&self, table: &Table, name: &str) {
        let of_name = table.rows.values().filter(|(other, _)| other == name);
        // the same record may be there twice
        let mut values: Vec<String> = of_name.map(|(_, value)| value.clone()).collect();
        values.sort();
        values.dedup();
        self.records.hold().await.put(name, 60, values).await;
    }

    /// Names may be relative to the domain, or end with a dot.
    async fn create(&self, asked: &Asked) -> Answer {
        let body = asked.json().unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let given = text("name");
        let name = given
            .strip_suffix('.')
            .map_or_else(|| format!("{given}.{ZONE}"), str::to_owned);
        let is_good = text("type") == "TXT" && is_in_zone(&name) && !text("data").is_empty();
        if !is_good || body["ttl"].as_u64().is_some_and(|ttl| ttl < 30) {
            return refused(422, "unprocessable_entity");
        }
        let mut table = self.table.lock().await;
        table.last += 1;
        let (id, row) = (table.last, (name.clone(), text("data").to_owned()));
        let shown = shown(id, &row);
        table.rows.insert(id, row);
        self.publish(&table, &name).await;
        Answer::new(201, json!({"domain_record": shown}))
    }

    /// The filter has whole names, without a dot at the end.
    async fn list(&self, asked: &Asked) -> Answer {
        let table = self.table.lock().await;
        let (name, kind) = (asked.query("name"), asked.query("type"));
        let is_it = |row: &(String, String)| ["", &row.0].contains(&name) && ["", "TXT"].contains(&kind);
        let found = table.rows.iter().filter(|(_, row)| is_it(row));
        let found: Vec<Value> = found.map(|(id, row)| shown(*id, row)).collect();
        Answer::ok(json!({"domain_records": found, "links": {}, "meta": {"total": found.len()}}))
    }

    async fn delete(&self, id: &str) -> Answer {
        let mut table = self.table.lock().await;
        let Some((name, _)) = id.parse().ok().and_then(|id: u64| table.rows.remove(&id)) else {
            return refused(404, "not_found");
        };
        self.publish(&table, &name).await;
        Answer::new(204, Value::Null)
    }
}

impl Api for DigitalOcean {
    const HOSTS: &'static [&'static str] = &["api.digitalocean.com"];
    const WORDS: &'static [&'static str] = &["v2", "domains", "records"];

    async fn answer(&self, asked: &Asked) -> Answer {
        if asked.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return refused(401, "unauthorized");
        }
        match (&asked.method, asked.segments().as_slice()) {
            (&Method::POST, ["v2", "domains", ZONE, "records"]) => self.create(asked).await,
            (&Method::GET, ["v2", "domains", ZONE, "records"]) => self.list(asked).await,
            (&Method::DELETE, ["v2", "domains", ZONE, "records", id]) => self.delete(id).await,
            _ => refused(404, "not_found"),
        }
    }
}

const CASE: Case<'_> = Case {
    provider: "digitalocean",
    variables: &[("DO_AUTH_TOKEN", TOKEN), ("DO_POLLING_INTERVAL", "1")],
    kept: None,
    solver: "{dns01: {digitalocean: {tokenSecretRef: {name: digitalocean, key: token}}}}",
    secret: "{apiVersion: v1, kind: Secret, metadata: {name: digitalocean}, \
             stringData: {token: dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef}}",
    exceptions: &[(
        "GET api.digitalocean.com/v2/domains/{}/records",
        "lego remembers the identifiers of its records; certlet finds them by name, also after it was killed",
    )],
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_07_certlet_asks_digitalocean_as_lego_does() {
    let Some((scene, server)) = open(DigitalOcean::default(), "DigitalOcean, with lego as its judge").await else {
        return;
    };
    judge(&scene, &server, &CASE).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_token_that_digitalocean_does_not_know_is_named_with_its_secret() {
    let Some((scene, server)) = open(DigitalOcean::default(), "a wrong token at DigitalOcean").await else {
        return;
    };
    let wrong = TOKEN.replace("0123", "3210");
    let refused = Wrong {
        secret: &CASE.secret.replace(TOKEN, &wrong),
        hidden: &wrong,
        words: &[
            "does not know the token in",
            "DigitalOcean (api.digitalocean.com)",
            &format!("{}/digitalocean", scene.namespace),
        ],
    };
    refusal(&scene, &server, &CASE, &refused).await;
}
