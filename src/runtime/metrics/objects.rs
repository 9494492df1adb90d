//! What describes objects, read from the index when it is asked for.

use std::sync::Arc;

use super::text::{Page, sample};
use crate::{
    api::{CertificateStatus, Time},
    cluster::index::Index,
    plan::{
        kinds::CertificateKind,
        seen::{Lean, Meta, ObjectKey},
    },
};

/// So many Certificates make one piece of the page.
const PIECE: usize = 200;

/// What is told of each Certificate: a name, a help text, and whether it is the condition or one of the times.
struct Family {
    name: &'static str,
    help: &'static str,
    value: Value,
}

#[derive(Clone, Copy)]
enum Value {
    Ready,
    Time(fn(&CertificateStatus) -> Option<&Time>),
}

const FAMILIES: [Family; 5] = [
    Family {
        name: "certmanager_certificate_ready_status",
        help: "Whether the Certificate is ready, one series per answer.",
        value: Value::Ready,
    },
    Family {
        name: "certmanager_certificate_expiration_timestamp_seconds",
        help: "When the certificate ends; the same as not_after.",
        value: Value::Time(|status| status.not_after.as_ref()),
    },
    Family {
        name: "certmanager_certificate_not_after_timestamp_seconds",
        help: "When the certificate ends.",
        value: Value::Time(|status| status.not_after.as_ref()),
    },
    Family {
        name: "certmanager_certificate_not_before_timestamp_seconds",
        help: "When the certificate begins.",
        value: Value::Time(|status| status.not_before.as_ref()),
    },
    Family {
        name: "certmanager_certificate_renewal_timestamp_seconds",
        help: "When the certificate is renewed.",
        value: Value::Time(|status| status.renewal_time.as_ref()),
    },
];

/// The families of Certificates, piece by piece.
pub(super) fn certificates(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let index = Arc::clone(index);
    let keys: Arc<[ObjectKey]> = index.certificates.keys().into();
    FAMILIES.iter().flat_map(move |family| {
        let (index, keys) = (Arc::clone(&index), Arc::clone(&keys));
        let mut head = Page::default();
        head.head(family.name, "gauge", family.help);
        let pieces = (0..keys.len()).step_by(PIECE).map(move |from| {
            let mut page = Page::default();
            let piece = keys.iter().skip(from).take(PIECE);
            for certificate in piece.filter_map(|key| index.certificates.get(key)) {
                family.write(&certificate, &mut page);
            }
            page.text
        });
        std::iter::once(head.text).chain(pieces)
    })
}

impl Family {
    fn write(&self, certificate: &Lean<CertificateKind>, page: &mut Page) {
        let Ok(object) = certificate.parse() else { return };
        let issuer = &object.spec.issuer_ref;
        let labels = [
            ("name", object.meta.name()),
            ("namespace", object.meta.namespace()),
            ("issuer_name", issuer.name.as_str()),
            ("issuer_kind", issuer.kind_or_default()),
            ("issuer_group", issuer.group_or_default()),
        ];
        match self.value {
            Value::Ready => page.condition(self.name, &labels, &object.status.conditions),
            Value::Time(of) => sample(&mut page.text, self.name, &labels, seconds(of(&object.status))),
        }
    }
}

fn seconds(time: Option<&Time>) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit a double exactly for millions of years"
    )]
    time.map_or(0.0, |time| time.0.as_second() as f64)
}

pub(super) fn issuers(index: &Index, page: &mut Page) {
    page.head(
        "certmanager_issuer_ready_status",
        "gauge",
        "Whether the Issuer is ready, one series per answer.",
    );
    for issuer in index.issuers.all() {
        let labels = [("name", issuer.meta.name()), ("namespace", issuer.meta.namespace())];
        page.condition("certmanager_issuer_ready_status", &labels, &issuer.status().conditions);
    }
    page.head(
        "certmanager_clusterissuer_ready_status",
        "gauge",
        "Whether the ClusterIssuer is ready, one series per answer.",
    );
    for issuer in index.cluster_issuers.all() {
        page.condition(
            "certmanager_clusterissuer_ready_status",
            &[("name", issuer.meta.name())],
            &issuer.status().conditions,
        );
    }
}

pub(super) fn challenges(index: &Index, page: &mut Page) {
    const NAME: &str = "certmanager_certificate_challenge_status";
    page.head(NAME, "gauge", "Challenges that exist.");
    for challenge in index.challenges.all() {
        let Ok(object) = challenge.parse() else { continue };
        let Meta { key, .. } = &object.meta;
        let state = object
            .status
            .state
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let type_ = object.spec.type_.to_string();
        let processing = object.status.processing.unwrap_or(false).to_string();
        let labels = [
            ("status", state.as_str()),
            ("domain", object.spec.dns_name.as_str()),
            ("reason", object.status.reason.as_deref().unwrap_or_default()),
            ("processing", processing.as_str()),
            ("name", &*key.name),
            ("namespace", &*key.namespace),
            ("type", type_.as_str()),
        ];
        sample(&mut page.text, NAME, &labels, 1.0);
    }
}
