//! Who wrote what, from the API server's audit log: the counter of requests does not know users.

use serde_json::Value;

use super::bed::Bed;

/// A place in the audit log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditMark(usize);

/// One write that the API server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditedWrite {
    /// `system:serviceaccount:cert-manager:cert-manager`, `admin` …
    pub(crate) user: String,
    /// The first word of the client's User-Agent, for example `certlet/0.1.0`.
    pub(crate) agent: String,
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

impl Bed {
    /// The end of the audit log as it is now.
    pub(crate) fn audit_mark(&self) -> AuditMark {
        AuditMark(self.audit_log().len())
    }

    /// All writes since then, in the order in which they were answered; events and Leases are left out.
    pub(crate) fn writes_since(&self, mark: AuditMark) -> Vec<AuditedWrite> {
        let log = self.audit_log();
        let text = String::from_utf8_lossy(log.get(mark.0..).unwrap_or_default());
        text.lines()
            .filter_map(|line| AuditedWrite::parse(&serde_json::from_str(line).ok()?))
            .collect()
    }

    fn audit_log(&self) -> Vec<u8> {
        std::fs::read(self.path("audit.log")).unwrap_or_default()
    }
}

impl AuditedWrite {
    fn parse(event: &Value) -> Option<Self> {
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut resource = text("/objectRef/resource");
        if ["events", "leases", ""].contains(&resource.as_str()) {
            return None;
        }
        let sub = text("/objectRef/subresource");
        if !sub.is_empty() {
            resource = format!("{resource}/{sub}");
        }
        let code = event.pointer("/responseStatus/code")?.as_u64()?;
        Some(Self {
            user: text("/user/username"),
            agent: text("/userAgent").split(' ').next().unwrap_or_default().to_owned(),
            verb: text("/verb"),
            resource,
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: u16::try_from(code).ok()?,
        })
    }
}
