//! Cloudflare, as <https://developers.cloudflare.com/api> describes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::{Records, ZONE, is_in_zone, unquoted},
    server::Api,
};

const TOKEN: &str = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY";
const ZONE_ID: &str = "023e105f4ecef8ad9ca31a8372d0c353";

/// An account with one zone.
#[derive(Default)]
struct Cloudflare {
    records: Records,
    /// Name and content, by identifier.
    table: Mutex<Table>,
    next: AtomicU64,
}

type Table = BTreeMap<String, (String, String)>;

/// A code of Cloudflare, with the status that it comes with.
fn refused(status: u16, code: u32, message: &str) -> Answer {
    let errors = json!([{"code": code, "message": message}]);
    Answer::new(
        status,
        json!({"success": false, "errors": errors, "messages": [], "result": null}),
    )
}

fn done(result: &Value) -> Answer {
    let count = result.as_array().map_or(1, Vec::len);
    let info = json!({"page": 1, "per_page": 50, "count": count, "total_count": count, "total_pages": 1});
    Answer::ok(json!({"success": true, "errors": [], "messages": [], "result": result, "result_info": info}))
}

fn shown(id: &str, (name, content): &(String, String)) -> Value {
    json!({"id": id, "zone_id": ZONE_ID, "zone_name": ZONE, "type": "TXT", "name": name, "content": content, "ttl": 120})
}

impl Cloudflare {
    /// Adds a record to the table.
    fn create(&self, table: &mut Table, new: &Value) -> Result<Value, Answer> {
        let text = |key: &str| new[key].as_str().unwrap_or_default().to_owned();
        let (name, content, ttl) = (text("name"), text("content"), new["ttl"].as_u64().unwrap_or(1));
        if text("type") != "TXT" {
            return Err(refused(400, 9004, "Invalid TXT record"));
        }
        if !is_in_zone(&name) || content.is_empty() {
            return Err(refused(400, 9000, "DNS name is invalid."));
        }
        if ttl != 1 && !(60..=86_400).contains(&ttl) {
            return Err(refused(
                400,
                9021,
                "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.",
            ));
        }
        // with quotation marks and without it is the same record
        let is_same = |(other, there): &(String, String)| *other == name && unquoted(there) == unquoted(&content);
        if table.values().any(is_same) {
            return Err(refused(400, 81_058, "An identical record already exists."));
        }
        let id = format!("{:032x}", self.next.fetch_add(1, Ordering::Relaxed));
        let record = (name, content);
        let shown = shown(&id, &record);
        table.insert(id, record);
        Ok(shown)
    }

    fn delete(table: &mut Table, id: &str) -> Result<Value, Answer> {
        let gone = table.remove(id);
        gone.map(|_| json!({"id": id}))
            .ok_or_else(|| refused(404, 81_044, "Record does not exist."))
    }

    /// Everything or nothing, deletions first.
    fn batch(&self, table: &mut Table, asked: &Asked) -> Result<Value, Answer> {
        let body = asked
            .json()
            .ok_or_else(|| refused(400, 9207, "Request body is invalid."))?;
        let each = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        let mut deleted = Vec::new();
        for record in each("deletes") {
            deleted.push(Self::delete(table, record["id"].as_str().unwrap_or_default())?);
        }
        let mut posted = Vec::new();
        for record in each("posts") {
            posted.push(self.create(table, &record)?);
        }
        Ok(json!({"deletes": deleted, "patches": [], "posts": posted, "puts": []}))
    }

    /// Makes a change, and lets BIND have what is different.
    async fn change(&self, make: impl FnOnce(&mut Table) -> Result<Value, Answer>) -> Answer {
        let mut table = self.table.lock().await;
        let mut after = table.clone();
        let result = match make(&mut after) {
            Ok(result) => result,
            Err(refused) => return refused,
        };
        let values = |table: &Table, name: &str| -> Vec<String> {
            let of_name = table.values().filter(|(other, _)| other == name);
            of_name.map(|(_, content)| unquoted(content)).collect()
        };
        let mut names: Vec<_> = table
            .values()
            .chain(after.values())
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names.dedup();
        let mut records = self.records.hold().await;
        for name in names {
            let now = values(&after, &name);
            if values(&table, &name) != now {
                records.put(&name, 60, now).await;
            }
        }
        *table = after;
        done(&result)
    }

    async fn list(&self, asked: &Asked) -> Answer {
        let wanted = |key: &str, value: &str| ["", value].contains(&asked.query(key));
        let table = self.table.lock().await;
        let found = table
            .iter()
            .filter(|(_, (name, content))| wanted("name", name) && wanted("type", "TXT") && wanted("content", content));
        done(&found.map(|(id, record)| shown(id, record)).collect())
    }
}

impl Api for Cloudflare {
    const HOSTS: &'static [&'static str] = &["api.cloudflare.com"];
    const WORDS: &'static [&'static str] = &["client", "v4", "zones", "dns_records", "batch"];

    async fn answer(&self, asked: &Asked) -> Answer {
        match asked
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
        {
            Some(TOKEN) => {}
            Some(token) if token.len() == TOKEN.len() => return refused(403, 9109, "Invalid access token"),
            Some(_) | None => {
                let chain = json!([{"code": 6111, "message": "Invalid format for Authorization header"}]);
                let error = json!({"code": 6003, "message": "Invalid request headers", "error_chain": chain});
                return Answer::new(
                    400,
                    json!({"success": false, "errors": [error], "messages": [], "result": null}),
                );
            }
        }
        let segments = asked.segments();
        let Some(rest) = segments.strip_prefix(&["client", "v4", "zones"]) else {
            return refused(404, 7000, "No route for that URI");
        };
        match (&asked.method, rest) {
            (&Method::GET, []) if asked.query("name") == ZONE => {
                done(&json!([{"id": ZONE_ID, "name": ZONE, "status": "active"}]))
            }
            (&Method::GET, []) => done(&json!([])),
            (&Method::GET, &[ZONE_ID, "dns_records"]) => self.list(asked).await,
            (&Method::POST, &[ZONE_ID, "dns_records"]) => {
                let new = asked.json().unwrap_or_default();
                self.change(|table| self.create(table, &new)).await
            }
            (&Method::POST, &[ZONE_ID, "dns_records", "batch"]) => self.change(|table| self.batch(table, asked)).await,
            (&Method::DELETE, &[ZONE_ID, "dns_records", id]) => self.change(|table| Self::delete(table, id)).await,
            _ => refused(
                404,
                7003,
                "Could not route to the path, perhaps your object identifier is invalid?",
            ),
        }
    }
}

const CASE: Case<'_> = Case {
    provider: "cloudflare",
    variables: &[
        ("CLOUDFLARE_DNS_API_TOKEN", TOKEN),
        ("CLOUDFLARE_POLLING_INTERVAL", "1"),
    ],
    kept: None,
    solver: "{dns01: {cloudflare: {apiTokenSecretRef: {name: cloudflare, key: token}}}}",
    secret: "{apiVersion: v1, kind: Secret, metadata: {name: cloudflare}, stringData: {token: Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY}}",
    exceptions: &[
        (
            "POST api.cloudflare.com/client/v4/zones/{}/dns_records/batch",
            "an endpoint of Cloudflare's reference, and of its own clients: two records are one call",
        ),
        (
            "GET api.cloudflare.com/client/v4/zones/{}/dns_records",
            "lego remembers the identifiers of its records; certlet finds them by name, also after it was killed",
        ),
    ],
};

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_04_certlet_asks_cloudflare_as_lego_does() {
    let Some((scene, server)) = open(Cloudflare::default(), "Cloudflare, with lego as its judge").await else {
        return;
    };
    judge(&scene, &server, &CASE).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_token_that_cloudflare_does_not_know_is_named_with_its_secret() {
    let Some((scene, server)) = open(Cloudflare::default(), "a wrong token at Cloudflare").await else {
        return;
    };
    let wrong = TOKEN.replace("OdcBUA", "AAAAAA");
    let refused = Wrong {
        secret: &CASE.secret.replace(TOKEN, &wrong),
        hidden: &wrong,
        words: &[
            "(code 9109)",
            "Cloudflare (api.cloudflare.com)",
            &format!("{}/cloudflare", scene.namespace),
        ],
    };
    refusal(&scene, &server, &CASE, &refused).await;
}
