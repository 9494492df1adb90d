//! The issuer of an annotated object, and whether it requests certificates (ANN-01..04, SHM-01).

use super::Annotated;
use crate::{
    api::{IssuerRef, names::annotation},
    plan::{
        seen::Pairs,
        settings::{DefaultIssuer, Settings},
    },
};

/// Whether the annotations request certificates. `issuer-kind` and `issuer-group` alone do not (SHM-01). The annotation for
/// automatic TLS counts on Ingresses only.
pub(super) fn is_wanted(object: &Annotated, settings: &Settings) -> bool {
    let annotations = &object.meta.annotations;
    let automatic = settings.auto_certificate_annotations.iter();
    annotations.contains(annotation::ISSUER)
        || annotations.contains(annotation::CLUSTER_ISSUER)
        || object.may_be_automatic
            && automatic
                .into_iter()
                .any(|key| annotations.get(key).is_some_and(is_true))
}

/// Whether Go's `strconv.ParseBool` returns true (ANN-04).
pub(super) fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The issuer in the annotations, or the default one. The error lists everything that is wrong with them.
///
/// An empty annotation counts as absent: charts render both `issuer` and `cluster-issuer`, one of them empty.
pub(super) fn choose(annotations: &Pairs, default: &DefaultIssuer, noun: &str) -> Result<IssuerRef, String> {
    let given = |key: &str| annotations.get(key).filter(|value| !value.is_empty());
    let named = given(annotation::ISSUER);
    let cluster = given(annotation::CLUSTER_ISSUER);
    let kind = given(annotation::ISSUER_KIND);
    let group = given(annotation::ISSUER_GROUP);

    let name = cluster.or(named).unwrap_or(&default.name);
    let mut wrong = Vec::new();
    if name.is_empty() {
        wrong.push(format!(
            "failed to determine issuer name to be used for {noun} resource"
        ));
    }
    let conflicts = [
        (annotation::ISSUER, named),
        (annotation::ISSUER_GROUP, group),
        (annotation::ISSUER_KIND, kind),
    ];
    for (key, value) in conflicts {
        if cluster.is_some() && value.is_some() {
            wrong.push(match key {
                annotation::ISSUER => format!("both {key:?} and {:?} may not be set", annotation::CLUSTER_ISSUER),
                _ => format!("both {:?} and {key:?} may not be set", annotation::CLUSTER_ISSUER),
            });
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join(", "));
    }
    let own_kind = if cluster.is_some() {
        "ClusterIssuer"
    } else if named.is_some() {
        "Issuer"
    } else {
        &default.kind
    };
    Ok(IssuerRef {
        group: Some(group.unwrap_or(&default.group).to_owned()),
        kind: Some(kind.unwrap_or(own_kind).to_owned()),
        name: name.to_owned(),
    })
}
