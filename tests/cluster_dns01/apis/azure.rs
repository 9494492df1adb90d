//! Azure DNS, as <https://learn.microsoft.com/rest/api/dns> and the definitions of Azure's API describe it, and the logins of Microsoft Entra.

use http::Method;
use serde_json::{Value, json};

use super::{
    asked::{Answer, Asked},
    judge::{Case, Wrong, judge, open, refusal},
    records::{Records, Set, ZONE},
    server::Api,
};

const LOGIN: &str = "login.microsoftonline.com";
const MANAGER: &str = "management.azure.com";
const TENANT: &str = "22222222-2222-2222-2222-222222222222";
const CLIENT: &str = "11111111-1111-1111-1111-111111111111";
const SECRET: &str = "bY78Q~secret-of-an-application-0000000000";
const SUBSCRIPTION: &str = "33333333-3333-3333-3333-333333333333";
const TOKEN: &str = "eyJ0eXAi.token-of-azure.signature";

/// A resource group with one zone, public and private at the same time.
#[derive(Default)]
struct Azure(Records);

/// A kind of zones, the versions of its API that certlet and lego use, and its names of fields.
struct Kind {
    name: &'static str,
    versions: [&'static str; 2],
    ttl: &'static str,
    records: &'static str,
}

const PUBLIC: Kind = Kind {
    name: "dnsZones",
    versions: ["2018-05-01", "2018-05-01"],
    ttl: "TTL",
    records: "TXTRecords",
};
const PRIVATE: Kind = Kind {
    name: "privateDnsZones",
    versions: ["2020-06-01", "2024-06-01"],
    ttl: "ttl",
    records: "txtRecords",
};

fn refused(status: u16, code: &str) -> Answer {
    Answer::new(status, json!({"code": code, "message": format!("In words: {code}.")}))
}

fn etag(set: &Set) -> String {
    format!("c5ba0dc8-0000-0000-0000-{:012}", set.version)
}

fn shown(kind: &Kind, relative: &str, set: &Set) -> Value {
    let records: Vec<Value> = set.values.iter().map(|value| json!({"value": [value]})).collect();
    json!({
        "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/dns/providers/Microsoft.Network/{}/{ZONE}/TXT/{relative}", kind.name),
        "name": relative,
        "type": format!("Microsoft.Network/{}/TXT", kind.name),
        "etag": etag(set),
        "properties": {"fqdn": format!("{relative}.{ZONE}."), kind.ttl: set.ttl, kind.records: records},
    })
}

/// Time to live and values of the body of a PUT.
fn wanted(kind: &Kind, asked: &Asked) -> Option<(u64, Vec<String>)> {
    let body = asked.json()?;
    let properties = body.get("properties")?;
    let records = properties.get(kind.records)?.as_array()?.iter().map(|record| {
        let strings = record.get("value")?.as_array()?.iter().map(Value::as_str);
        let strings: Vec<&str> = strings.collect::<Option<_>>()?;
        strings
            .iter()
            .all(|string| string.len() <= 255)
            .then(|| strings.concat())
    });
    let records: Vec<String> = records.collect::<Option<_>>()?;
    (!records.is_empty()).then_some((properties.get(kind.ttl)?.as_u64()?, records))
}

impl Azure {
    fn log_in(asked: &Asked) -> Answer {
        let form = asked.form();
        let is = |key: &str, value: &str| form.get(key).is_some_and(|given| given == value);
        let error = |status, error: &str, number: u32| {
            let body = json!({
                "error": error,
                "error_description": format!("AADSTS{number}: in words. Trace ID: 0 Timestamp: 2026-01-01 00:00:00Z"),
                "error_codes": [number],
            });
            Answer::new(status, body)
        };
        // the older name of Azure Resource Manager has a slash at its end, which stays
        let scopes = [
            "https://management.azure.com/.default",
            "https://management.core.windows.net//.default",
        ];
        let mut scope = form.get("scope").map_or("", String::as_str).split(' ');
        if !is("client_id", CLIENT) {
            return error(400, "unauthorized_client", 700_016);
        }
        if !is("client_secret", SECRET) {
            return error(401, "invalid_client", 7_000_215);
        }
        if !is("grant_type", "client_credentials") || !scope.any(|scope| scopes.contains(&scope)) {
            return error(400, "invalid_request", 900_144);
        }
        Answer::ok(json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": TOKEN}))
    }

    /// What Microsoft's library reads before it logs in.
    fn discovery(asked: &Asked) -> Answer {
        let base = format!("https://{LOGIN}/{TENANT}");
        if asked.segments().ends_with(&["discovery", "instance"]) {
            let aliases = json!([{"preferred_network": LOGIN, "preferred_cache": LOGIN, "aliases": [LOGIN]}]);
            let endpoint = format!("{base}/v2.0/.well-known/openid-configuration");
            return Answer::ok(
                json!({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": aliases}),
            );
        }
        Answer::ok(json!({
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "issuer": format!("{base}/v2.0"),
        }))
    }

    /// lego asks Azure Resource Graph which zones there are.
    fn graph(asked: &Asked) -> Answer {
        let query = asked.json().unwrap_or_default();
        let data = if query["query"].as_str().is_some_and(|query| query.contains("zones")) {
            json!([{"name": ZONE, "resourceGroup": "dns", "subscriptionId": SUBSCRIPTION}])
        } else {
            json!([])
        };
        Answer::ok(json!({"totalRecords": 1, "count": 1, "resultTruncated": "false", "facets": [], "data": data}))
    }

    async fn record_set(&self, kind: &Kind, asked: &Asked, relative: &str) -> Answer {
        let name = format!("{relative}.{ZONE}");
        let mut records = self.0.hold().await;
        let found = records.get(&name).cloned();
        let now = found.as_ref().map(etag);
        let must_be = asked.header("if-match");
        if must_be.is_some_and(|etag| etag != "*" && Some(etag) != now.as_deref())
            || (asked.header("if-none-match") == Some("*") && found.is_some())
        {
            return refused(412, "PreconditionFailed");
        }
        match (asked.method.clone(), found) {
            (Method::GET, Some(set)) => Answer::ok(shown(kind, relative, &set)),
            (Method::GET, None) => refused(404, "NotFound"),
            (Method::PUT, found) => {
                let Some((ttl, values)) = wanted(kind, asked) else {
                    return refused(400, "BadRequest");
                };
                records.put(&name, ttl, values).await;
                let set = records.get(&name).cloned().unwrap_or_default();
                Answer::new(if found.is_some() { 200 } else { 201 }, shown(kind, relative, &set))
            }
            (Method::DELETE, Some(_)) => {
                records.put(&name, 0, Vec::new()).await;
                Answer::ok(Value::Null)
            }
            (Method::DELETE, None) => Answer::new(204, Value::Null),
            _ => refused(405, "MethodNotAllowed"),
        }
    }
}

impl Api for Azure {
    const HOSTS: &'static [&'static str] = &[LOGIN, MANAGER];
    const WORDS: &'static [&'static str] = &[
        "oauth2",
        "v2.0",
        "token",
        "subscriptions",
        "resourceGroups",
        "providers",
        "resources",
        "Microsoft.ResourceGraph",
        "Microsoft.Network",
        "dnsZones",
        "privateDnsZones",
        "TXT",
    ];

    async fn answer(&self, asked: &Asked) -> Answer {
        let segments = asked.segments();
        if asked.host == LOGIN {
            return match *segments.as_slice() {
                [TENANT, "oauth2", "v2.0", "token"] => Self::log_in(asked),
                ["common", "discovery", "instance"] | [TENANT, "v2.0", ".well-known", "openid-configuration"] => {
                    Self::discovery(asked)
                }
                _ => Answer::new(404, Value::Null),
            };
        }
        if asked.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Answer::new(
                401,
                json!({"error": {"code": "InvalidAuthenticationToken", "message": "In words."}}),
            );
        }
        if segments == ["providers", "Microsoft.ResourceGraph", "resources"] {
            return Self::graph(asked);
        }
        let [
            "subscriptions",
            SUBSCRIPTION,
            "resourceGroups",
            "dns",
            "providers",
            "Microsoft.Network",
            kind,
            zone,
            rest @ ..,
        ] = segments.as_slice()
        else {
            return refused(404, "ResourceGroupNotFound");
        };
        let Some(kind) = [PUBLIC, PRIVATE].into_iter().find(|known| known.name == *kind) else {
            return refused(404, "InvalidResourceType");
        };
        if !kind.versions.contains(&asked.query("api-version")) {
            return refused(400, "InvalidApiVersionParameter");
        }
        match rest {
            _ if *zone != ZONE => Answer::new(
                404,
                json!({"error": {"code": "ParentResourceNotFound", "message": "In words."}}),
            ),
            [] if asked.method == Method::GET => {
                Answer::ok(json!({"name": ZONE, "location": "global", "properties": {}}))
            }
            ["TXT", relative] => self.record_set(&kind, asked, relative).await,
            _ => refused(404, "NotFound"),
        }
    }
}

const VARIABLES: [(&str, &str); 7] = [
    ("AZURE_CLIENT_ID", CLIENT),
    ("AZURE_CLIENT_SECRET", SECRET),
    ("AZURE_TENANT_ID", TENANT),
    ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION),
    ("AZURE_RESOURCE_GROUP", "dns"),
    ("AZURE_AUTH_METHOD", "env"),
    ("AZURE_POLLING_INTERVAL", "1"),
];
const KEY_SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: azure}, stringData: {secret: bY78Q~secret-of-an-application-0000000000}}";

/// What certlet sends and lego does not.
const EXCEPTIONS: [(&str, &str); 6] = [
    (
        "PUT management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/dnsZones/{}/TXT/{}: header if-match",
        GUARD,
    ),
    (
        "PUT management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/dnsZones/{}/TXT/{}: header if-none-match",
        GUARD,
    ),
    (
        "DELETE management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/dnsZones/{}/TXT/{}: header if-match",
        GUARD,
    ),
    (
        "PUT management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/privateDnsZones/{}/TXT/{}: header if-match",
        GUARD,
    ),
    (
        "PUT management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/privateDnsZones/{}/TXT/{}: header if-none-match",
        GUARD,
    ),
    (
        "DELETE management.azure.com/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/privateDnsZones/{}/TXT/{}: header if-match",
        GUARD,
    ),
];
const GUARD: &str =
    "parameters of Azure's definitions: a record set is not written over what another client wrote meanwhile";

/// The solver; `more` are further fields.
fn solver(more: &str) -> String {
    format!(
        "{{dns01: {{azureDNS: {{subscriptionID: {SUBSCRIPTION}, resourceGroupName: dns, clientID: {CLIENT}, tenantID: {TENANT}, \
         clientSecretSecretRef: {{name: azure, key: secret}}{more}}}}}}}"
    )
}

/// A solver, and what lego is told.
fn case<'a>(solver: &'a str, variables: &'a [(&'a str, &'a str)]) -> Case<'a> {
    Case {
        provider: "azuredns",
        variables,
        kept: None,
        solver,
        secret: KEY_SECRET,
        exceptions: &EXCEPTIONS,
    }
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_06_certlet_asks_azure_as_lego_does() {
    let Some((scene, server)) = open(Azure::default(), "Azure DNS, with lego as its judge").await else {
        return;
    };
    let solver = solver("");
    let case = case(&solver, &VARIABLES);
    judge(&scene, &server, &case).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn dns_06_certlet_asks_azures_private_zones_as_lego_does() {
    let Some((scene, server)) = open(Azure::default(), "Azure's private zones, with lego as their judge").await else {
        return;
    };
    let solver = solver(", zoneType: AzurePrivateZone");
    let variables = [&VARIABLES[..], &[("AZURE_PRIVATE_ZONE", "true")]].concat();
    let case = case(&solver, &variables);
    judge(&scene, &server, &case).await;
}

#[tokio::test]
#[ignore = "needs the test bed: make cluster"]
async fn a_client_secret_that_is_not_the_one_of_azure_is_named_with_its_secret() {
    let Some((scene, server)) = open(Azure::default(), "a wrong client secret at Azure").await else {
        return;
    };
    let solver = solver("");
    let case = case(&solver, &VARIABLES);
    let wrong = SECRET.replace('0', "1");
    let place = format!("{}/azure", scene.namespace);
    let refused = Wrong {
        secret: &KEY_SECRET.replace(SECRET, &wrong),
        hidden: &wrong,
        words: &["the client secret is wrong", "AADSTS7000215", CLIENT, &place],
    };
    refusal(&scene, &server, &case, &refused).await;
}
