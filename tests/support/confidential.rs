//! What nobody may read in a log, an Event, a condition or a metric: PEM bodies, key material, tokens, and the content of Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// The beginnings of the DER of certificates, signing requests and keys, in base64.
const BODIES: [&str; 7] = ["MII", "MIG", "MIH", "MHcCAQEE", "MHQCAQEE", "MC4CAQAw", "MFMCAQEw"];
/// How much base64 must follow such a beginning: two thirds of a line of PEM.
const BODY: usize = 40;
/// Shorter values of Secrets are words such as user names.
const SHORTEST: usize = 16;
/// Keys of Secrets whose content is public.
const PUBLIC: [&str; 3] = ["namespace", "ca.crt", "tls.crt"];

/// The values that Secrets hold.
#[derive(Default)]
pub(crate) struct Known {
    values: BTreeSet<String>,
}

impl Known {
    /// The confidential values of a list of Secrets: each line of a text, and bytes in base64.
    pub(crate) fn of(secrets: &Value) -> Self {
        let mut known = Self::default();
        for secret in secrets["items"].as_array().into_iter().flatten() {
            // a chart with all its objects
            if secret["type"] == "helm.sh/release.v1" {
                continue;
            }
            let data = secret["data"].as_object().into_iter().flatten();
            for (_, value) in data.filter(|(key, _)| !PUBLIC.contains(&key.as_str())) {
                known.add(value.as_str().unwrap_or_default());
            }
        }
        known
    }

    fn add(&mut self, encoded: &str) {
        let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        if bytes.len() < SHORTEST {
            return;
        }
        self.values.insert(encoded.to_owned());
        if let Ok(text) = String::from_utf8(bytes) {
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| line.len() >= SHORTEST && !line.starts_with("-----"));
            self.values.extend(lines.map(str::to_owned));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// What is confidential in a text, by its kind and with the line that has it.
pub(crate) fn leaks(text: &str, known: &Known) -> Vec<String> {
    let leak = |line: &str| {
        let tokens = || line.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-.".contains(c)));
        // a label alone is no secret: texts say what a CSR begins with
        if tokens().any(|token| token.contains("LS0tLS1CRUdJTi")) {
            Some("PEM")
        } else if tokens().any(has_body) {
            Some("a body of PEM")
        } else if tokens().any(is_token) {
            Some("a token")
        } else if tokens().any(|token| known.values.contains(token.trim_end_matches('.'))) {
            Some("a value of a Secret")
        } else {
            None
        }
    };
    let found = text.lines().filter_map(|line| Some((leak(line)?, line)));
    found.map(|(kind, line)| format!("{kind}: {line}")).collect()
}

fn has_body(token: &str) -> bool {
    BODIES.iter().any(|begin| {
        let Some(at) = token.find(begin) else { return false };
        let is_base64 = |c: &char| c.is_ascii_alphanumeric() || ['+', '/'].contains(c);
        token[at..].chars().take_while(is_base64).count() >= BODY
    })
}

/// A JSON Web Token, or a JWS in its compact form.
fn is_token(token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    parts.len() >= 3 && parts[0].starts_with("eyJ") && parts[..3].iter().all(|part| part.len() >= 10)
}

/// What a bed has left of what certlet said in it, in a folder of `CERTLET_AUDITS`.
pub(crate) struct Said {
    folder: PathBuf,
}

/// How much was judged.
#[derive(Debug, Default)]
pub(crate) struct Volume {
    /// By kind of text: the number of lines, Events, messages or samples.
    pub(crate) texts: BTreeMap<&'static str, usize>,
    /// Confidential values that were looked for.
    pub(crate) known: usize,
}

impl Said {
    /// What is in this folder.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Everything confidential in it; counts what it has looked at in `volume`.
    ///
    /// # Panics
    /// If a file is missing or cannot be read.
    pub(crate) fn leaks(&self, volume: &mut Volume) -> Vec<String> {
        let known = Known::of(&self.list("secrets.json"));
        volume.known += known.len();
        let mut texts: Vec<(&'static str, String)> = Vec::new();
        for file in std::fs::read_dir(&self.folder).unwrap() {
            let path = file.unwrap().path();
            let kind = match path.extension().and_then(|extension| extension.to_str()) {
                Some("log") => "log lines",
                Some("metrics") => "metrics",
                _ => continue,
            };
            texts.push((
                kind,
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
            ));
        }
        for event in self.list("events.json")["items"].as_array().into_iter().flatten() {
            texts.push(("Events", event["message"].as_str().unwrap_or_default().to_owned()));
        }
        for object in self.list("objects.json")["items"].as_array().into_iter().flatten() {
            let mut messages = Vec::new();
            statements(&object["status"], &mut messages);
            texts.extend(messages.into_iter().map(|message| ("messages", message)));
        }
        let mut found = Vec::new();
        for (kind, text) in texts {
            *volume.texts.entry(kind).or_default() += text.lines().count();
            let leaks = leaks(&text, &known).into_iter();
            found.extend(leaks.map(|leak| format!("{}: {kind}: {leak}", self.folder.display())));
        }
        found
    }

    fn list(&self, file: &str) -> Value {
        let path = self.folder.join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The texts of a status: messages of conditions, reasons, errors. Certificates in it are public.
fn statements(status: &Value, into: &mut Vec<String>) {
    match status {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .filter(|(name, _)| !["certificate", "ca"].contains(&name.as_str()));
            fields.for_each(|(_, value)| statements(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| statements(item, into)),
        Value::String(text) => into.push(text.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
