//! A request to an API, and what two clients sent differently.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use url::form_urlencoded;

/// Headers that say nothing about the API.
const OF_EVERY_CLIENT: [&str; 6] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "content-length",
    "connection",
];
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The host, without a port.
    pub(super) host: String,
    /// The method.
    pub(super) method: Method,
    /// The path and query, as they were sent.
    pub(super) target: String,
    /// The path, in its segments.
    pub(super) path: Vec<String>,
    /// The query.
    pub(super) query: BTreeMap<String, String>,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Bytes,
}

/// What a server replies.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// JSON; `null` is no body.
    pub(super) body: Value,
}

impl Answer {
    /// With this status.
    pub(super) fn new(status: u16, body: Value) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, body }
    }

    /// With the status 200.
    pub(super) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }
}

/// What identifies a kind of request, and what requests of the kind have.
#[derive(Clone, Debug, Default)]
struct Shape {
    query: BTreeSet<String>,
    headers: BTreeSet<String>,
    fields: BTreeSet<String>,
}

impl Asked {
    /// A header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The path, to be matched.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// A value of the query; empty if it is missing.
    pub(super) fn query(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    /// The body as JSON, if its type says so.
    pub(super) fn json(&self) -> Option<Value> {
        self.has_type(JSON)
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }

    /// The body as a form, if its type says so.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        let body: &[u8] = if self.has_type(FORM) { &self.body } else { &[] };
        form_urlencoded::parse(body).into_owned().collect()
    }

    fn has_type(&self, wanted: &str) -> bool {
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        kind.split(';').next() == Some(wanted)
    }

    /// Host, method and path. A segment that is no word of the API identifies something: `{}`.
    fn kind(&self, words: &[&str]) -> String {
        let segments = self.path.iter().map(|segment| {
            let is_word = words.contains(&segment.as_str());
            if is_word { segment.as_str() } else { "{}" }
        });
        let path = segments.collect::<Vec<_>>().join("/");
        format!("{} {}/{path}", self.method, self.host)
    }

    fn shape(&self) -> Shape {
        let own = |name: &&str| !OF_EVERY_CLIENT.contains(name);
        let names = self.headers.keys().map(header::HeaderName::as_str).filter(own);
        let headers = names.map(|name| {
            let value = self.header(name).unwrap_or_default();
            let scheme = value.split(' ').next().unwrap_or_default();
            match name {
                "authorization" => format!("{name}: {scheme}"),
                "content-type" => format!("{name}: {}", value.split(';').next().unwrap_or_default()),
                _ => name.to_owned(),
            }
        });
        let mut fields = BTreeSet::new();
        if let Some(body) = self.json() {
            collect(&body, "", &mut fields);
        }
        fields.extend(self.form().into_keys().map(|key| format!("{key}: in a form")));
        Shape {
            query: self.query.keys().cloned().collect(),
            headers: headers.collect(),
            fields,
        }
    }
}

/// The fields of a body, and their types.
fn collect(value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(entries) => {
            for entry in entries {
                collect(entry, &format!("{path}[]"), fields);
            }
            "array"
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                collect(entry, &format!("{path}.{key}"), fields);
            }
            "object"
        }
    };
    fields.insert(format!("{path}: {kind}"));
}

fn shapes(requests: &[Asked], words: &[&str]) -> BTreeMap<String, Shape> {
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    for request in requests {
        let Shape { query, headers, fields } = request.shape();
        let shape = shapes.entry(request.kind(words)).or_default();
        shape.query.extend(query);
        shape.headers.extend(headers);
        shape.fields.extend(fields);
    }
    shapes
}

/// What is in the requests of one client, and not in those of the other: kinds of requests, and parts of those that both have.
pub(super) fn beyond(own: &[Asked], others: &[Asked], words: &[&str]) -> BTreeSet<String> {
    let (own, others) = (shapes(own, words), shapes(others, words));
    let mut differences = BTreeSet::new();
    for (kind, shape) in own {
        let Some(other) = others.get(&kind) else {
            differences.insert(kind);
            continue;
        };
        let Shape { query, headers, fields } = &shape;
        let parts = [
            ("query", query, &other.query),
            ("header", headers, &other.headers),
            ("body", fields, &other.fields),
        ];
        for (part, own, other) in parts {
            let more = own.difference(other);
            differences.extend(more.map(|more| format!("{kind}: {part} {more}")));
        }
    }
    differences
}

/// Prints requests, for whoever reads the output of a test. Values are left out: they are those of tests, but long.
pub(super) fn print(who: &str, requests: &[Asked], words: &[&str]) {
    for request in requests {
        let Shape { query, headers, fields } = request.shape();
        let parts = json!({"query": query, "headers": headers, "body": fields});
        println!("  {who}: {} {parts}", request.kind(words));
    }
}

#[test]
fn what_only_one_client_sends_is_found() {
    let asked = |method: Method, id: &str, query: &str, body: Value| Asked {
        host: "api.example".to_owned(),
        method,
        target: String::new(),
        path: vec!["things".to_owned(), id.to_owned()],
        query: [(query.to_owned(), String::new())].into(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]),
        body: body.to_string().into(),
    };
    let words = ["things"];
    let one = [asked(Method::PUT, "1", "a", json!({"values": ["x"], "ttl": 1}))];
    assert!(
        beyond(
            &one,
            &[asked(Method::PUT, "2", "a", json!({"values": ["y"], "ttl": 2}))],
            &words
        )
        .is_empty()
    );
    let other = [asked(Method::PUT, "1", "b", json!({"values": [1]}))];
    let found: Vec<_> = beyond(&one, &other, &words).into_iter().collect();
    let kind = "PUT api.example/things/{}";
    assert_eq!(
        found,
        ["body .ttl: number", "body .values[]: string", "query a"].map(|part| format!("{kind}: {part}"))
    );
    let another = [asked(Method::GET, "1", "a", Value::Null)];
    assert_eq!(beyond(&one, &another, &words).into_iter().collect::<Vec<_>>(), [kind]);
}
