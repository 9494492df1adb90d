//! Histograms with fixed buckets, which are counted without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::text::sample;

/// A histogram of durations. Its size does not depend on the number of observations.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds of the buckets in seconds, ascending; there is one more bucket above the last bound.
    bounds: &'static [f64],
    buckets: Box<[AtomicU64]>,
    /// Sum of all durations in microseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// An empty histogram with these upper bounds in seconds, ascending.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            buckets: std::iter::repeat_with(AtomicU64::default)
                .take(bounds.len() + 1)
                .collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = self.bounds.iter().take_while(|bound| seconds > **bound).count();
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(|bucket| bucket.load(Ordering::Relaxed) == 0)
    }

    /// Writes the series of the family `name` with these labels.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub fn write(&self, text: &mut String, name: &str, labels: &[(&str, &str)]) {
        let bucket_name = format!("{name}_bucket");
        let ends = self.bounds.iter().map(ToString::to_string);
        let mut count = 0;
        for (end, bucket) in ends.chain(["+Inf".to_owned()]).zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            let labels: Vec<_> = labels.iter().copied().chain([("le", end.as_str())]).collect();
            sample(text, &bucket_name, &labels, count as f64);
        }
        let sum = self.sum.load(Ordering::Relaxed) as f64 / 1e6;
        sample(text, &format!("{name}_sum"), labels, sum);
        sample(text, &format!("{name}_count"), labels, count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&[0.5, 1.0]);
        assert!(histogram.is_empty());
        for millis in [500, 501, 1_000, 9_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = String::new();
        histogram.write(&mut text, "m", &[("a", "b")]);
        assert!(!histogram.is_empty());
        assert_eq!(
            text,
            "m_bucket{a=\"b\",le=\"0.5\"} 1\nm_bucket{a=\"b\",le=\"1\"} 3\nm_bucket{a=\"b\",le=\"+Inf\"} 4\n\
             m_sum{a=\"b\"} 11.001\nm_count{a=\"b\"} 4\n"
        );
    }
}
