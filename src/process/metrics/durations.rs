//! Summaries of durations, with quantiles of the last minutes.

use std::{collections::VecDeque, time::Duration};

use super::text::sample;

/// Size and maximum age of the sample for a summary's quantiles, as in Prometheus' client for Go.
const RECENT: usize = 256;
const RECENT_TIME: Duration = Duration::from_secs(600);

/// Durations of calls.
#[derive(Default)]
pub(super) struct Durations {
    pub(super) count: u64,
    sum: Duration,
    /// End of the call in seconds since the start, and its duration.
    recent: VecDeque<(u32, f32)>,
}

impl Durations {
    /// Adds a call that ended at this second since the start.
    pub(super) fn add(&mut self, ended: u32, took: Duration) {
        self.count += 1;
        self.sum += took;
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((ended, took.as_secs_f32()));
    }

    /// Writes the series of the summary `name` with these labels.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are doubles")]
    pub(super) fn write(&self, text: &mut String, name: &str, labels: &[(&str, &str)], now: u32) {
        let oldest = now.saturating_sub(u32::try_from(RECENT_TIME.as_secs()).unwrap_or(u32::MAX));
        for (quantile, value) in self.quantiles(oldest) {
            let labels: Vec<_> = labels.iter().copied().chain([("quantile", quantile)]).collect();
            sample(text, name, &labels, value);
        }
        sample(text, &format!("{name}_sum"), labels, self.sum.as_secs_f64());
        sample(text, &format!("{name}_count"), labels, self.count as f64);
    }

    /// A quantile. NaN without recent requests.
    fn quantiles(&self, oldest: u32) -> [(&'static str, f64); 3] {
        let recent = self.recent.iter().filter(|(ended, _)| *ended >= oldest);
        let mut sorted: Vec<f32> = recent.map(|(_, took)| *took).collect();
        sorted.sort_by(f32::total_cmp);
        [("0.5", 50), ("0.9", 90), ("0.99", 99)].map(|(quantile, per_cent)| {
            let at = (sorted.len() * per_cent / 100).min(sorted.len().saturating_sub(1));
            (quantile, sorted.get(at).map_or(f64::NAN, |took| f64::from(*took)))
        })
    }
}
