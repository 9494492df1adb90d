//! Google Cloud DNS, as its discovery document describes it, and Google's token server (RFC 7523).

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::{Records, Set, ZONE, is_in_zone, unquoted},
    server::Api,
};
use crate::support::{command::try_run, openssl};

const TOKENS: &str = "oauth2.googleapis.com";
const DNS: &str = "dns.googleapis.com";
const PROJECT: &str = "certlet-tests";
const MANAGED_ZONE: &str = "the-zone";
const EMAIL: &str = "certlet@certlet-tests.iam.gserviceaccount.com";
const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "ya29.token-of-google";

/// A project with one managed zone and one service account.
struct Google {
    records: Records,
    /// The key of the account, PEM.
    private_key: String,
    public_key: String,
    /// Changes that have not been asked for again: they are pending for one look.
    pending: Mutex<BTreeSet<u64>>,
    changes: Mutex<u64>,
}

fn refused(status: u16, reason: &str) -> Answer {
    let errors = json!([{"domain": "global", "reason": reason, "message": "In words."}]);
    Answer::new(
        status,
        json!({"error": {"code": status, "message": "In words.", "errors": errors}}),
    )
}

fn shown(name: &str, set: &Set) -> Value {
    let values: Vec<String> = set.values.iter().map(|value| format!("\"{value}\"")).collect();
    json!({"kind": "dns#resourceRecordSet", "name": format!("{name}."), "type": "TXT", "ttl": set.ttl, "rrdatas": values,
        "signatureRrdatas": []})
}

/// Name and content of a record set in a change. Google takes values with quotation marks and without.
fn given(set: &Value) -> Option<(String, Set)> {
    let name = set["name"].as_str()?.strip_suffix('.')?.to_owned();
    let values = set["rrdatas"]
        .as_array()?
        .iter()
        .map(|value| value.as_str().map(unquoted));
    let set = Set {
        ttl: set["ttl"].as_u64()?,
        values: values.collect::<Option<_>>()?,
        version: 0,
    };
    (is_in_zone(&name) && !set.values.is_empty()).then_some((name, set))
}

impl Google {
    async fn new() -> Self {
        let private_key = openssl(
            &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "",
        )
        .await;
        Self {
            records: Records::default(),
            public_key: openssl(&["pkey", "-pubout"], &private_key).await,
            private_key,
            pending: Mutex::default(),
            changes: Mutex::default(),
        }
    }

    /// The file that Google gives for this key.
    fn key_file(private_key: &str) -> String {
        json!({
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": private_key,
            "client_email": EMAIL,
            "client_id": "100000000000000000000",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": format!("https://{TOKENS}/token"),
        })
        .to_string()
    }

    fn secret(private_key: &str) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "google"},
            "stringData": {"key.json": Self::key_file(private_key)},
        })
        .to_string()
    }

    /// Whether the key of the account has signed this, by openssl.
    async fn has_signed(&self, message: &str, signature: &[u8]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (key, signature) = (file("key", self.public_key.as_bytes()), file("signature", signature));
        let args = ["dgst", "-sha256", "-verify", &key, "-signature", &signature];
        try_run("openssl", &args, Some(message)).await.status.success()
    }

    async fn log_in(&self, asked: &Asked) -> Answer {
        let refused =
            |description: &str| Answer::new(400, json!({"error": "invalid_grant", "error_description": description}));
        let form = asked.form();
        if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Answer::new(
                400,
                json!({"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}),
            );
        }
        let assertion = form.get("assertion").map_or("", String::as_str);
        let parts: Vec<&str> = assertion.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return refused("Bad Request");
        };
        let bytes = |part: &str| BASE64_URL.decode(part).unwrap_or_default();
        let json = |part: &str| serde_json::from_slice::<Value>(&bytes(part)).unwrap_or_default();
        let (head, body) = (json(header), json(claims));
        if head["alg"] != "RS256" || head["typ"] != "JWT" || head["kid"] != KEY_ID {
            return refused("Invalid JWT: header");
        }
        if body["iss"] != EMAIL || body["sub"].as_str().is_some_and(|sub| sub != EMAIL) {
            return refused("Invalid grant: account not found");
        }
        let (issued, until) = (body["iat"].as_i64().unwrap_or(0), body["exp"].as_i64().unwrap_or(0));
        if !(0..=3600).contains(&(until - issued)) || body["aud"] != format!("https://{TOKENS}/token") {
            return refused(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            );
        }
        if body["scope"] != "https://www.googleapis.com/auth/ndev.clouddns.readwrite" {
            return Answer::new(
                400,
                json!({"error": "invalid_scope", "error_description": "Invalid OAuth scope."}),
            );
        }
        if !self.has_signed(&format!("{header}.{claims}"), &bytes(signature)).await {
            return refused("Invalid JWT Signature.");
        }
        Answer::ok(json!({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}))
    }

    /// Makes a change as a whole or not at all. What is deleted has to be as it is, and what is added may not be there.
    async fn change(&self, asked: &Asked) -> Answer {
        let body = asked.json().unwrap_or_default();
        let each = |key: &str| -> Option<Vec<(String, Set)>> {
            let sets = body[key].as_array().cloned().unwrap_or_default();
            sets.iter().map(given).collect()
        };
        let (Some(additions), Some(deletions)) = (each("additions"), each("deletions")) else {
            return refused(400, "invalid");
        };
        if additions.is_empty() && deletions.is_empty() {
            return refused(400, "required");
        }
        let mut records = self.records.hold().await;
        for (name, set) in &deletions {
            let Some(found) = records.get(name) else {
                return refused(404, "notFound");
            };
            let sorted = |set: &Set| set.values.iter().cloned().collect::<BTreeSet<_>>();
            if found.ttl != set.ttl || sorted(found) != sorted(set) {
                return refused(412, "conditionNotMet");
            }
        }
        let is_deleted = |name: &str| deletions.iter().any(|(other, _)| other == name);
        if additions
            .iter()
            .any(|(name, _)| records.get(name).is_some() && !is_deleted(name))
        {
            return refused(409, "alreadyExists");
        }
        for (name, _) in &deletions {
            if !additions.iter().any(|(other, _)| other == name) {
                records.put(name, 0, Vec::new()).await;
            }
        }
        for (name, set) in additions {
            records.put(&name, set.ttl, set.values).await;
        }
        let mut changes = self.changes.lock().await;
        *changes += 1;
        self.pending.lock().await.insert(*changes);
        Answer::ok(json!({"kind": "dns#change", "id": changes.to_string(), "status": "pending"}))
    }

    async fn look(&self, id: &str) -> Answer {
        let Ok(number) = id.parse::<u64>() else {
            return refused(404, "notFound");
        };
        let was_pending = self.pending.lock().await.remove(&number);
        let status = if was_pending { "pending" } else { "done" };
        Answer::ok(json!({"kind": "dns#change", "id": id, "status": status}))
    }
}

impl Api for Google {
    const HOSTS: &'static [&'static str] = &[TOKENS, DNS];
    const WORDS: &'static [&'static str] = &["token", "dns", "v1", "projects", "managedZones", "rrsets", "changes"];

    async fn answer(&self, asked: &Asked) -> Answer {
        let segments = asked.segments();
        if asked.host == TOKENS {
            return match *segments.as_slice() {
                ["token"] if asked.method == Method::POST => self.log_in(asked).await,
                _ => Answer::new(404, Value::Null),
            };
        }
        if asked.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return refused(401, "authError");
        }
        let ["dns", "v1", "projects", PROJECT, "managedZones", rest @ ..] = segments.as_slice() else {
            return refused(404, "notFound");
        };
        match (&asked.method, rest) {
            (&Method::GET, []) => {
                let name = format!("{ZONE}.");
                let zone =
                    json!({"kind": "dns#managedZone", "name": MANAGED_ZONE, "dnsName": name, "visibility": "public"});
                let is_it = ["", &name].contains(&asked.query("dnsName"));
                let zones = if is_it { json!([zone]) } else { json!([]) };
                Answer::ok(json!({"kind": "dns#managedZonesListResponse", "managedZones": zones}))
            }
            (&Method::GET, [MANAGED_ZONE, "rrsets"]) => {
                // Google refuses a type without a name
                let Some(name) = asked.query("name").strip_suffix('.') else {
                    return refused(400, "invalid");
                };
                let records = self.records.hold().await;
                let found: Vec<Value> = records.get(name).map(|set| shown(name, set)).into_iter().collect();
                Answer::ok(json!({"kind": "dns#resourceRecordSetsListResponse", "rrsets": found}))
            }
            (&Method::POST, [MANAGED_ZONE, "changes"]) => self.change(asked).await,
            (&Method::GET, [MANAGED_ZONE, "changes", id]) => self.look(id).await,
            _ => refused(404, "notFound"),
        }
    }
}

const SOLVER: &str =
    "{dns01: {cloudDNS: {project: certlet-tests, serviceAccountSecretRef: {name: google, key: key.json}}}}";

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_03_certlet_asks_google_as_lego_does() {
    let google = Google::new().await;
    let (file, secret) = (
        Google::key_file(&google.private_key),
        Google::secret(&google.private_key),
    );
    let Some((scene, server)) = open(google, "Google Cloud DNS, with lego as its judge").await else {
        return;
    };
    let case = Case {
        provider: "gcloud",
        variables: &[("GCE_SERVICE_ACCOUNT", &file), ("GCE_POLLING_INTERVAL", "1")],
        kept: None,
        solver: SOLVER,
        secret: &secret,
        exceptions: &[
            (
                "GET dns.googleapis.com/dns/v1/projects/{}/managedZones: query fields",
                "a standard parameter of Google's APIs: the answer has the fields that are used",
            ),
            (
                "POST dns.googleapis.com/dns/v1/projects/{}/managedZones/{}/changes: body .deletions[].signatureRrdatas: array",
                "a deletion has what Google sent, unchanged; Go leaves out what is empty",
            ),
        ],
    };
    judge(&scene, &server, &case).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_key_that_google_does_not_know_is_named_with_its_account() {
    let google = Google::new().await;
    let other = Google::new().await.private_key;
    let (secret, wrong) = (Google::secret(&google.private_key), Google::secret(&other));
    let Some((scene, server)) = open(google, "a wrong key at Google").await else {
        return;
    };
    let case = Case {
        provider: "gcloud",
        variables: &[],
        kept: None,
        solver: SOLVER,
        secret: &secret,
        exceptions: &[],
    };
    let refused = Wrong {
        secret: &wrong,
        hidden: other.lines().nth(1).unwrap(),
        words: &[
            "does not know the key of the service account",
            EMAIL,
            &format!("{}/google", scene.namespace),
        ],
    };
    refusal(&scene, &server, &case, &refused).await;
}
