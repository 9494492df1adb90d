//! What describes objects, read from the index when it is asked for.

use std::{collections::HashMap, sync::Arc};

use super::text::{Page, sample};
use crate::{
    api::{ConditionStatus, IssuerRef, Time, condition},
    cluster::index::Index,
    plan::seen::{Meta, Object, ObjectKey},
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
    Time(fn(&Row) -> f64),
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
        value: Value::Time(|row| row.not_after),
    },
    Family {
        name: "certmanager_certificate_not_after_timestamp_seconds",
        help: "When the certificate ends.",
        value: Value::Time(|row| row.not_after),
    },
    Family {
        name: "certmanager_certificate_not_before_timestamp_seconds",
        help: "When the certificate begins.",
        value: Value::Time(|row| row.not_before),
    },
    Family {
        name: "certmanager_certificate_renewal_timestamp_seconds",
        help: "When the certificate is renewed.",
        value: Value::Time(|row| row.renewal),
    },
];

/// The families of Certificates, piece by piece. A record is opened once, for the first family. What is told of it is kept for the
/// others until the page is sent, which is 32 bytes.
pub(super) fn certificates(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let mut told = Told {
        names: index.certificates.keys(),
        index: Arc::clone(index),
        rows: Vec::new(),
        issuers: Vec::new(),
        places: HashMap::new(),
    };
    let pieces = (0..told.names.len()).step_by(PIECE);
    let all = FAMILIES.iter().flat_map(move |family| {
        std::iter::once((family, None)).chain(pieces.clone().map(move |from| (family, Some(from))))
    });
    all.map(move |(family, from)| {
        let mut page = Page::default();
        match from {
            None => page.head(family.name, "gauge", family.help),
            Some(from) => told.write(family, from, &mut page),
        }
        page.text
    })
}

/// What is told of all Certificates.
struct Told {
    index: Arc<Index>,
    names: Vec<ObjectKey>,
    /// As far as they have been read, in the order of the names; `None` for what is gone or cannot be read.
    rows: Vec<Option<Row>>,
    issuers: Vec<IssuerRef>,
    places: HashMap<IssuerRef, u32>,
}

/// What is told of one Certificate. Times are seconds since 1970, 0 while not known.
struct Row {
    not_before: f64,
    not_after: f64,
    renewal: f64,
    /// Its place among the issuers.
    issuer: u32,
    ready: ConditionStatus,
}

impl Told {
    /// The series of one piece.
    fn write(&mut self, family: &Family, from: usize, page: &mut Page) {
        let to = (from + PIECE).min(self.names.len());
        while self.rows.len() < to {
            let row = self.read(self.rows.len());
            self.rows.push(row);
        }
        let piece = self.names.iter().zip(&self.rows).take(to).skip(from);
        for (name, row) in piece.filter_map(|(name, row)| Some((name, row.as_ref()?))) {
            let Some(issuer) = self.issuers.get(row.issuer as usize) else {
                continue;
            };
            let labels = [
                ("name", &*name.name),
                ("namespace", &*name.namespace),
                ("issuer_name", issuer.name.as_str()),
                ("issuer_kind", issuer.kind_or_default()),
                ("issuer_group", issuer.group_or_default()),
            ];
            match family.value {
                Value::Ready => page.answers(family.name, &labels, row.ready),
                Value::Time(of) => sample(&mut page.text, family.name, &labels, of(row)),
            }
        }
    }

    fn read(&mut self, place: usize) -> Option<Row> {
        let Object { spec, status, .. } = self.index.certificates.get(self.names.get(place)?)?.parse().ok()?;
        let next = u32::try_from(self.issuers.len()).ok()?;
        let issuer = *self.places.entry(spec.issuer_ref.clone()).or_insert(next);
        if issuer == next {
            self.issuers.push(spec.issuer_ref);
        }
        Some(Row {
            not_before: seconds(status.not_before.as_ref()),
            not_after: seconds(status.not_after.as_ref()),
            renewal: seconds(status.renewal_time.as_ref()),
            issuer,
            ready: condition::get(&status.conditions, condition::READY)
                .map_or(ConditionStatus::Unknown, |ready| ready.status),
        })
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
