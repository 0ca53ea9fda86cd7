//! Numbers out of measurements.

/// Latencies of one run, in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    micros: Vec<u32>,
    sorted: bool,
}

impl Latencies {
    pub(crate) fn add(&mut self, micros: u32) {
        self.micros.push(micros);
        self.sorted = false;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.micros.extend_from_slice(&other.micros);
        self.sorted = false;
    }

    pub(crate) fn len(&self) -> usize {
        self.micros.len()
    }

    /// The latency that `per_mille` of the answers stayed at or below, in milliseconds; 0 without answers.
    pub(crate) fn quantile_ms(&mut self, per_mille: usize) -> f64 {
        if !self.sorted {
            self.micros.sort_unstable();
            self.sorted = true;
        }
        let Some(last) = self.micros.len().checked_sub(1) else { return 0.0 };
        f64::from(self.micros[(self.micros.len() * per_mille / 1_000).min(last)]) / 1_000.0
    }
}

/// The middle one of some numbers; 0 of none.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_medians_are_members_or_middles() {
        let mut latencies = Latencies::default();
        (1..=1_000).rev().for_each(|micros| latencies.add(micros * 1_000));
        assert!((latencies.quantile_ms(500) - 501.0).abs() < 0.01);
        assert!((latencies.quantile_ms(990) - 991.0).abs() < 0.01);
        assert!((latencies.quantile_ms(1_000) - 1_000.0).abs() < 0.01);
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }
}
