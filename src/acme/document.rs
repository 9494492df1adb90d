//! Problem documents as they are sent, and the bounded, sanitised part that is kept.

use serde::Deserialize;

use super::json::{Field, lenient_objects};
use super::order::WireIdentifier;
use super::problem::{Problem, kind};
use crate::text::excerpt;

/// The most subproblems that are kept.
const MAX_SUBPROBLEMS: usize = 100;

/// A problem document as it is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireProblem {
    #[serde(rename = "type")]
    kind: Field<String>,
    title: Field<String>,
    detail: Field<String>,
    status: Field<u16>,
    instance: Field<String>,
    subproblems: Field<Vec<WireSubproblem>>,
}

/// A subproblem (RFC 8555 section 6.7.1). It has no subproblems of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireSubproblem {
    #[serde(rename = "type")]
    kind: Field<String>,
    detail: Field<String>,
    identifier: Field<WireIdentifier>,
}

lenient_objects!(WireProblem, WireSubproblem);

fn shown(text: Field<String>) -> String {
    excerpt(&text.text().unwrap_or_default())
}

impl From<WireProblem> for Problem {
    fn from(document: WireProblem) -> Self {
        let WireProblem {
            kind: type_uri,
            title,
            detail,
            status,
            instance,
            subproblems,
        } = document;
        let type_uri = shown(type_uri);
        let detail = detail.text().or_else(|| title.text()).unwrap_or_default();
        let subproblems = subproblems.list().into_iter().take(MAX_SUBPROBLEMS);
        Self {
            kind: kind(&type_uri),
            detail: excerpt(&detail),
            type_uri,
            status: status.0,
            instance: instance.text().map(|text| excerpt(&text)),
            retry_after: None,
            subproblems: subproblems.map(WireSubproblem::read).collect(),
        }
    }
}

impl WireSubproblem {
    fn read(self) -> (Option<String>, Problem) {
        let Self {
            kind: type_uri,
            detail,
            identifier,
        } = self;
        let name = identifier.0.and_then(|identifier| identifier.value.text());
        let type_uri = shown(type_uri);
        let problem = Problem {
            kind: kind(&type_uri),
            detail: shown(detail),
            type_uri,
            status: None,
            instance: None,
            retry_after: None,
            subproblems: Vec::new(),
        };
        (name.map(|name| excerpt(&name)), problem)
    }
}
