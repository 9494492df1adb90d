//! Who did what, from the API server's audit log: the counter of requests does not know users.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::bed::Bed;
use super::{IN_TIME, eventually};

/// What the names of the writes begin with that only show how far the audit log is.
const MARKER: &str = "audit-marker-";
/// Questions about rights and identity: they are created, and nothing is stored.
const QUESTIONS: [&str; 3] = ["subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectreviews"];

/// A place in the audit log; its beginning by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AuditMark(usize);

/// One write that the API server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditedWrite {
    /// `system:serviceaccount:cert-manager:cert-manager`, `admin` …
    pub(crate) user: String,
    /// The first word of the client's User-Agent, for example `certlet/0.1.0`.
    pub(crate) agent: String,
    /// The pod that certlet's User-Agent names.
    pub(crate) replica: String,
    /// `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub(crate) verb: String,
    /// Plural name, with the subresource if there is one.
    pub(crate) resource: String,
    /// Empty for what belongs to no namespace.
    pub(crate) namespace: String,
    /// Empty where the server makes the name.
    pub(crate) name: String,
    /// HTTP status of the answer.
    pub(crate) code: u16,
}

/// One call of certlet's, as a matter of rights: reads, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuditedCall {
    /// API group, empty for the core.
    pub(crate) group: String,
    /// Plural name, with the subresource if there is one.
    pub(crate) resource: String,
    /// As in a role.
    pub(crate) verb: String,
    /// Empty for the whole cluster.
    pub(crate) namespace: String,
    /// Empty where none was given.
    pub(crate) name: String,
    /// Whether the user had the right; an admission plugin may still have refused.
    pub(crate) allowed: bool,
}

impl Bed {
    /// The place in the audit log behind everything that has been answered.
    pub(crate) async fn audit_mark(&self) -> AuditMark {
        self.audit_is_written().await;
        AuditMark(self.audit_log().len())
    }

    /// All writes since then, in the order in which they were answered; events and Leases are left out.
    pub(crate) async fn writes_since(&self, mark: AuditMark) -> Vec<AuditedWrite> {
        self.audit_is_written().await;
        self.audited_since(mark, AuditedWrite::parse)
    }

    /// What certlet asked for as this ServiceAccount since then (`NAMESPACE:NAME`), each once.
    pub(crate) async fn calls_since(&self, mark: AuditMark, service_account: &str) -> Vec<AuditedCall> {
        self.audit_is_written().await;
        let user = format!("system:serviceaccount:{service_account}");
        once(self.audited_since(mark, |event| AuditedCall::parse(event, &user)))
    }

    /// A watch may tell of a write before the audit log does: one more write shows that the log has all before it.
    async fn audit_is_written(&self) {
        static MARKS: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "{MARKER}{}-{}",
            std::process::id(),
            MARKS.fetch_add(1, Ordering::Relaxed)
        );
        self.kubectl(&["create", "configmap", &name, "-n", "default", "--dry-run=server"])
            .await;
        eventually("the audit log has the last write", IN_TIME, async || {
            let log = self.audit_log();
            log.windows(name.len())
                .rev()
                .any(|window| window == name.as_bytes())
                .then_some(())
        })
        .await;
    }

    fn audited_since<T>(&self, mark: AuditMark, parse: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        audited(self.audit_log().get(mark.0..).unwrap_or_default(), parse)
    }

    fn audit_log(&self) -> Vec<u8> {
        std::fs::read(self.path("audit.log")).unwrap_or_default()
    }
}

/// What the beds before this one have left (`CERTLET_AUDITS`).
pub(crate) struct EarlierBeds(Vec<PathBuf>);

impl EarlierBeds {
    /// `None` unless the whole suite runs.
    pub(crate) fn find() -> Option<Self> {
        let files = std::fs::read_dir(std::env::var_os("CERTLET_AUDITS")?).unwrap();
        Some(Self(files.map(|file| file.unwrap().path()).collect()))
    }

    /// What certlet asked for as this ServiceAccount, each once.
    pub(crate) fn calls(&self, service_account: &str) -> Vec<AuditedCall> {
        let user = format!("system:serviceaccount:{service_account}");
        let logs = self.named("log").map(|log| std::fs::read(log).unwrap());
        once(
            logs.flat_map(|log| audited(&log, |event| AuditedCall::parse(event, &user)))
                .collect(),
        )
    }

    /// Whether one of them had a node.
    pub(crate) fn had_a_node(&self) -> bool {
        self.named("node").next().is_some()
    }

    /// How many there were.
    pub(crate) fn audits(&self) -> usize {
        self.named("log").count()
    }

    /// The folders with what certlet has said in them.
    pub(crate) fn said(&self) -> Vec<PathBuf> {
        self.named("said").cloned().collect()
    }

    fn named(&self, extension: &str) -> impl Iterator<Item = &PathBuf> {
        self.0
            .iter()
            .filter(move |path| path.extension().is_some_and(|is| is == extension))
    }
}

fn audited<T>(log: &[u8], parse: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    let text = String::from_utf8_lossy(log);
    text.lines()
        .filter_map(|line| parse(&serde_json::from_str(line).ok()?))
        .collect()
}

fn once(mut calls: Vec<AuditedCall>) -> Vec<AuditedCall> {
    calls.sort();
    calls.dedup();
    calls
}

impl AuditedWrite {
    fn parse(event: &Value) -> Option<Self> {
        let resource = resource(event);
        let verb = text(event, "/verb");
        if ["events", "leases", ""].contains(&resource.as_str()) || ["get", "list", "watch"].contains(&verb.as_str()) {
            return None;
        }
        if text(event, "/objectRef/name").starts_with(MARKER) || QUESTIONS.contains(&resource.as_str()) {
            return None;
        }
        let code = event.pointer("/responseStatus/code")?.as_u64()?;
        Some(Self {
            user: text(event, "/user/username"),
            agent: agent(event),
            replica: replica(event),
            verb,
            resource,
            namespace: text(event, "/objectRef/namespace"),
            name: text(event, "/objectRef/name"),
            code: u16::try_from(code).ok()?,
        })
    }
}

impl AuditedCall {
    fn parse(event: &Value, user: &str) -> Option<Self> {
        // The same ServiceAccount is used by kubectl in tests of what it may not do.
        if text(event, "/user/username") != user || !agent(event).starts_with("certlet/") {
            return None;
        }
        let decision = event.get("annotations")?.get("authorization.k8s.io/decision")?;
        Some(Self {
            group: text(event, "/objectRef/apiGroup"),
            resource: Some(resource(event)).filter(|resource| !resource.is_empty())?,
            verb: text(event, "/verb"),
            namespace: text(event, "/objectRef/namespace"),
            name: text(event, "/objectRef/name"),
            allowed: decision == "allow",
        })
    }
}

fn resource(event: &Value) -> String {
    let (resource, sub) = (
        text(event, "/objectRef/resource"),
        text(event, "/objectRef/subresource"),
    );
    if sub.is_empty() {
        resource
    } else {
        format!("{resource}/{sub}")
    }
}

fn agent(event: &Value) -> String {
    text(event, "/userAgent")
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// `POD` of `certlet/0.1.0 (POD)`.
fn replica(event: &Value) -> String {
    let agent = text(event, "/userAgent");
    let pod = agent.split_once(" (").and_then(|(_, pod)| pod.strip_suffix(')'));
    pod.unwrap_or_default().to_owned()
}

fn text(event: &Value, pointer: &str) -> String {
    event
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
