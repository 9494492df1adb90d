//! Metrics of objects, computed from the index for each request.

use std::{collections::HashMap, sync::Arc};

use super::condition::{answers, ready};
use crate::{
    api::{CertificateStatus, ConditionStatus, IssuerRef, Time, condition},
    cluster::index::Index,
    plan::{
        kinds::ChallengeKind,
        seen::{Object, ObjectKey},
    },
    process::metrics::{Page, sample},
};

/// Number of Certificates per piece of the page.
const PIECE: usize = 200;
/// Number of issuers or Challenges per piece of the page.
const SMALL_PIECE: usize = 20;

/// All metric families of objects.
pub(super) fn all(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let issuers = issuers(index).chain(super::issuers::accounts(index));
    let records = super::records::ends(index);
    certificates(index)
        .chain(records)
        .chain(issuers)
        .chain(challenges(index))
}

/// A metric family of Certificates: its name, its help text, and the condition or the time that it reports.
struct Family {
    name: &'static str,
    help: &'static str,
    value: Value,
}

#[derive(Clone, Copy)]
enum Value {
    Ready,
    Time(fn(&Row) -> f64),
    /// Which end of the renewal window; without one there is no series.
    Window(usize),
}

const FAMILIES: [Family; 7] = [
    Family {
        name: "certmanager_certificate_ready_status",
        help: "Whether the Certificate is ready, one series per status.",
        value: Value::Ready,
    },
    Family {
        name: "certmanager_certificate_expiration_timestamp_seconds",
        help: "Expiry of the certificate; the same as not_after.",
        value: Value::Time(|row| row.not_after),
    },
    Family {
        name: "certmanager_certificate_not_after_timestamp_seconds",
        help: "Expiry of the certificate.",
        value: Value::Time(|row| row.not_after),
    },
    Family {
        name: "certmanager_certificate_not_before_timestamp_seconds",
        help: "Start of the certificate's validity.",
        value: Value::Time(|row| row.not_before),
    },
    Family {
        name: "certmanager_certificate_renewal_timestamp_seconds",
        help: "Time of the next renewal.",
        value: Value::Time(|row| row.renewal),
    },
    Family {
        name: "certlet_certificate_renewal_window_start_timestamp_seconds",
        help: "Start of the window in which the ACME server suggests the renewal (ARI).",
        value: Value::Window(0),
    },
    Family {
        name: "certlet_certificate_renewal_window_end_timestamp_seconds",
        help: "End of the window in which the ACME server suggests the renewal (ARI).",
        value: Value::Window(1),
    },
];

/// The families of Certificates, piece by piece. A record is decoded once, for the first family. Its values, 48 bytes, are
/// buffered for the other families until the page is sent.
pub(super) fn certificates(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let mut values = CertificateValues {
        names: index.certificates.keys(),
        index: Arc::clone(index),
        rows: Vec::new(),
        issuers: Vec::new(),
        places: HashMap::new(),
    };
    let pieces = (0..values.names.len()).step_by(PIECE);
    let all = FAMILIES.iter().flat_map(move |family| {
        std::iter::once((family, None)).chain(pieces.clone().map(move |from| (family, Some(from))))
    });
    all.map(move |(family, from)| {
        let mut page = Page::default();
        match from {
            None => page.head(family.name, "gauge", family.help),
            Some(from) => values.write(family, from, &mut page),
        }
        page.text
    })
}

/// The values of all Certificates.
struct CertificateValues {
    index: Arc<Index>,
    names: Vec<ObjectKey>,
    /// The values read so far, in the order of names; `None` for a Certificate that was deleted or cannot be decoded.
    rows: Vec<Option<Row>>,
    issuers: Vec<IssuerRef>,
    places: HashMap<IssuerRef, u32>,
}

/// The values of one Certificate. Times are seconds since 1970, 0 if not known.
struct Row {
    not_before: f64,
    not_after: f64,
    renewal: f64,
    /// The renewal window of the ACME server.
    window: Option<[u32; 2]>,
    /// Index of its issuer.
    issuer: u32,
    ready: ConditionStatus,
}

impl CertificateValues {
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
            let labels = labels(name, issuer);
            match family.value {
                Value::Ready => answers(page, family.name, &labels, row.ready),
                Value::Time(of) => sample(&mut page.text, family.name, &labels, of(row)),
                Value::Window(end) => {
                    if let Some(time) = row.window.and_then(|window| window.get(end).copied()) {
                        sample(&mut page.text, family.name, &labels, f64::from(time));
                    }
                }
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
            window: window(&status),
            issuer,
            ready: condition::get(&status.conditions, condition::READY)
                .map_or(ConditionStatus::Unknown, |ready| ready.status),
        })
    }
}

/// The labels of the metrics of a Certificate.
pub(super) fn labels<'a>(name: &'a ObjectKey, issuer: &'a IssuerRef) -> [(&'static str, &'a str); 5] {
    [
        ("name", &*name.name),
        ("namespace", &*name.namespace),
        ("issuer_name", issuer.name.as_str()),
        // as written in the spec, so that a series stays the same after a take-over
        ("issuer_kind", issuer.kind.as_deref().unwrap_or_default()),
        ("issuer_group", issuer.group.as_deref().unwrap_or_default()),
    ]
}

/// The renewal window of the ACME server in seconds since 1970.
fn window(status: &CertificateStatus) -> Option<[u32; 2]> {
    let window = status.acme.as_ref()?.ari.as_ref()?.suggested_window.as_ref()?;
    let second = |time: &Time| u32::try_from(time.0.as_second()).ok();
    Some([second(&window.start)?, second(&window.end)?])
}

fn seconds(time: Option<&Time>) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 fit a double exactly for millions of years"
    )]
    time.map_or(0.0, |time| time.0.as_second() as f64)
}

/// The families of issuers, piece by piece.
pub(super) fn issuers(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    const ISSUERS: &str = "certmanager_issuer_ready_status";
    const CLUSTER_ISSUERS: &str = "certmanager_clusterissuer_ready_status";
    let head = (ISSUERS, "Whether the Issuer is ready, one series per status.");
    let records = Arc::clone(index);
    let issuers = family(head, index.issuers.keys(), move |key, page| {
        if let Some(issuer) = records.issuers.get(key) {
            let labels = [("name", issuer.meta.name()), ("namespace", issuer.meta.namespace())];
            ready(page, ISSUERS, &labels, &issuer.status().conditions);
        }
    });
    let head = (
        CLUSTER_ISSUERS,
        "Whether the ClusterIssuer is ready, one series per status.",
    );
    let records = Arc::clone(index);
    let cluster_issuers = family(head, index.cluster_issuers.keys(), move |key, page| {
        if let Some(issuer) = records.cluster_issuers.get(key) {
            ready(
                page,
                CLUSTER_ISSUERS,
                &[("name", issuer.meta.name())],
                &issuer.status().conditions,
            );
        }
    });
    issuers.chain(cluster_issuers)
}

/// The family of Challenges, piece by piece: one series per state; the current state is 1.
pub(super) fn challenges(index: &Arc<Index>) -> impl Iterator<Item = String> + Send + 'static + use<> {
    let head = (CHALLENGES, "Existing Challenges, one series per state.");
    let records = Arc::clone(index);
    family(head, index.challenges.keys(), move |key, page| {
        let challenge = records.challenges.get(key).and_then(|record| record.parse().ok());
        if let Some(challenge) = challenge {
            write_challenge(&challenge, page);
        }
    })
}

const CHALLENGES: &str = "certmanager_certificate_challenge_status";
/// The states of a Challenge, in the order of cert-manager's collector.
const STATES: [&str; 8] = [
    "ready",
    "valid",
    "errored",
    "expired",
    "invalid",
    "processing",
    "",
    "pending",
];
/// Length limit of a reason as a label value, which occurs in eight series.
const LONGEST_REASON: usize = 1024;

fn write_challenge(challenge: &Object<ChallengeKind>, page: &mut Page) {
    let Object { meta, spec, status } = challenge;
    let state = status.state.as_ref().map(ToString::to_string).unwrap_or_default();
    let type_ = spec.type_.to_string();
    let processing = status.processing.unwrap_or(false).to_string();
    let reason = status.reason.as_deref().unwrap_or_default();
    let mut lengths = (0..=reason.len().min(LONGEST_REASON)).rev();
    let length = lengths.find(|length| reason.is_char_boundary(*length)).unwrap_or(0);
    let reason = reason.get(..length).unwrap_or_default();
    for one in STATES {
        let labels = [
            ("status", one),
            ("domain", spec.dns_name.as_str()),
            ("reason", reason),
            ("processing", processing.as_str()),
            ("name", meta.name()),
            ("namespace", meta.namespace()),
            ("type", type_.as_str()),
        ];
        sample(&mut page.text, CHALLENGES, &labels, f64::from(u8::from(one == state)));
    }
}

/// A family whose series are written object by object. A piece contains those of a few objects.
fn family(
    (name, help): (&'static str, &'static str),
    keys: Vec<ObjectKey>,
    mut write: impl FnMut(&ObjectKey, &mut Page) + Send + 'static,
) -> impl Iterator<Item = String> + Send + 'static {
    let mut head = Page::default();
    head.head(name, "gauge", help);
    let count = keys.len();
    let pieces = (0..count).step_by(SMALL_PIECE).map(move |from| {
        let mut page = Page::default();
        let piece = keys.iter().skip(from).take(SMALL_PIECE);
        piece.for_each(|key| write(key, &mut page));
        page.text
    });
    std::iter::once(head.text).chain(pieces)
}
