//! Issuances of certificates, by issuer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    histogram::Histogram,
    text::{Page, sample},
};

/// Upper bounds of the buckets in seconds: a CA in the cluster takes less than one, a validation some, a rate limit hours.
const BOUNDS: [f64; 13] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 86_400.0,
];
/// Maximum number of issuers. Users may create any number. An issuer needs about 300 bytes, and 36 series at most.
const ISSUERS: usize = 200;
/// Value of the labels `issuer_name` and `issuer_kind` for issuers above that limit.
const OTHER: &str = "other";

const SECONDS: &str = "certlet_certificate_issuance_duration_seconds";
const FAILED: &str = "certlet_certificate_issuance_failures_total";

/// An issuer, by the labels that cert-manager's metrics of Certificates have for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssuerLabels {
    /// Namespace of the issuer; empty for one that is in no namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Kind, for example `ClusterIssuer`.
    pub kind: String,
    /// API group, for example `cert-manager.io`.
    pub group: String,
}

/// Durations and failures of issuances.
#[derive(Debug, Default)]
pub struct Issuances(Mutex<BTreeMap<IssuerLabels, Issued>>);

#[derive(Debug)]
struct Issued {
    first: Histogram,
    renewals: Histogram,
    failures: u64,
}

impl Default for Issued {
    fn default() -> Self {
        Self {
            first: Histogram::new(&BOUNDS),
            renewals: Histogram::new(&BOUNDS),
            failures: 0,
        }
    }
}

impl Issuances {
    /// Counts the issuance of a certificate that took `duration`: the first one of its Certificate, or a renewal.
    pub fn issued(&self, issuer: IssuerLabels, is_renewal: bool, duration: Duration) {
        self.change(issuer, |issued| {
            let histogram = if is_renewal { &issued.renewals } else { &issued.first };
            histogram.observe(duration);
        });
    }

    /// Counts a failed issuance.
    pub fn failed(&self, issuer: IssuerLabels) {
        self.change(issuer, |issued| issued.failures += 1);
    }

    /// Writes the metrics.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub fn write(&self, page: &mut Page) {
        let issuers = self.lock();
        page.head(
            SECONDS,
            "histogram",
            "Time until a certificate was issued: from the creation of the Certificate, or of the CertificateRequest for a renewal.",
        );
        for (issuer, issued) in issuers.iter() {
            for (histogram, is_renewal) in [(&issued.first, "false"), (&issued.renewals, "true")] {
                if !histogram.is_empty() {
                    let labels: Vec<_> = issuer.pairs().into_iter().chain([("renewal", is_renewal)]).collect();
                    histogram.write(&mut page.text, SECONDS, &labels);
                }
            }
        }
        page.head(FAILED, "counter", "Failed issuances.");
        for (issuer, issued) in issuers.iter() {
            sample(&mut page.text, FAILED, &issuer.pairs(), issued.failures as f64);
        }
    }

    fn change(&self, issuer: IssuerLabels, change: impl FnOnce(&mut Issued)) {
        let mut issuers = self.lock();
        let is_known = issuers.len() < ISSUERS || issuers.contains_key(&issuer);
        let issuer = if is_known { issuer } else { IssuerLabels::other() };
        change(issuers.entry(issuer).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IssuerLabels, Issued>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IssuerLabels {
    fn other() -> Self {
        Self {
            namespace: String::new(),
            name: OTHER.to_owned(),
            kind: OTHER.to_owned(),
            group: String::new(),
        }
    }

    fn pairs(&self) -> [(&str, &str); 4] {
        [
            ("namespace", &self.namespace),
            ("issuer_name", &self.name),
            ("issuer_kind", &self.kind),
            ("issuer_group", &self.group),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(number: u32) -> IssuerLabels {
        IssuerLabels {
            namespace: "shop".to_owned(),
            name: format!("ca{number}"),
            kind: "Issuer".to_owned(),
            group: "cert-manager.io".to_owned(),
        }
    }

    fn written(issuances: &Issuances) -> String {
        let mut page = Page::default();
        issuances.write(&mut page);
        page.text
    }

    #[test]
    fn a_first_issuance_and_a_renewal_are_in_histograms_of_their_own_and_failures_are_counted() {
        let issuances = Issuances::default();
        issuances.issued(issuer(1), false, Duration::from_secs(3));
        issuances.issued(issuer(1), true, Duration::from_millis(400));
        issuances.failed(issuer(2));
        let text = written(&issuances);
        let labels = r#"namespace="shop",issuer_name="ca1",issuer_kind="Issuer",issuer_group="cert-manager.io""#;
        for line in [
            format!("{SECONDS}_bucket{{{labels},renewal=\"false\",le=\"2.5\"}} 0\n"),
            format!("{SECONDS}_bucket{{{labels},renewal=\"false\",le=\"5\"}} 1\n"),
            format!("{SECONDS}_sum{{{labels},renewal=\"true\"}} 0.4\n"),
            format!("{FAILED}{{{labels}}} 0\n"),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        // nothing was issued by it
        assert!(
            !text.contains("_count{namespace=\"shop\",issuer_name=\"ca2\""),
            "{text}"
        );
    }

    #[test]
    fn however_many_issuers_there_are_the_page_stays_small_and_every_issuance_is_counted() {
        let issuances = Issuances::default();
        for number in 0..5_000 {
            issuances.issued(issuer(number), number % 2 == 0, Duration::from_secs(1));
        }
        let text = written(&issuances);
        assert!(text.len() < 1_500_000, "{}", text.len());
        let counts = text
            .lines()
            .filter(|line| line.starts_with("certlet_certificate_issuance_duration_seconds_count"));
        let sum: u64 = counts
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        assert_eq!(sum, 5_000);
    }
}
