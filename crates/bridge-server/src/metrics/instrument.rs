//! The kinds of metric, and how one is made and registered.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// A line of the list of metrics.
#[derive(Debug, Clone, Copy)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

/// The upper ends of the buckets of durations, in seconds: from a read of the log to a call that ran out of time.
const SECONDS: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The upper ends of the buckets of sizes, in bytes.
const BYTES: [f64; 7] = [256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

/// A kind of metric.
pub(super) trait Instrument: Collector + Clone + Sized + 'static {
    /// Its name in Prometheus.
    const KIND: &'static str;

    /// Makes one.
    fn make(options: Opts, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

/// Makes a metric and registers it.
pub(super) fn made<T: Instrument>(
    registry: &Registry,
    name: &str,
    meaning: &str,
    labels: &[&str],
) -> Result<T, prometheus::Error> {
    let instrument = T::make(Opts::new(name, meaning), labels)?;
    registry.register(Box::new(instrument.clone()))?;
    Ok(instrument)
}

macro_rules! instruments {
    ($($type:ty = $kind:literal, $make:expr;)+) => {
        $(impl Instrument for $type {
            const KIND: &'static str = $kind;

            fn make(options: Opts, labels: &[&str]) -> Result<Self, prometheus::Error> {
                $make(options, labels)
            }
        })+
    };
}

instruments! {
    IntCounter = "counter", |options, _: &[&str]| Self::with_opts(options);
    IntCounterVec = "counter", Self::new;
    IntGauge = "gauge", |options, _: &[&str]| Self::with_opts(options);
    IntGaugeVec = "gauge", Self::new;
    GaugeVec = "gauge", Self::new;
    Histogram = "histogram", |options, _: &[&str]| Self::with_opts(with_buckets(options));
    HistogramVec = "histogram", |options, labels: &[&str]| Self::new(with_buckets(options), labels);
}

/// The buckets that fit the unit in the name.
fn with_buckets(options: Opts) -> HistogramOpts {
    let buckets = if options.name.ends_with("_bytes") { BYTES.to_vec() } else { SECONDS.to_vec() };
    HistogramOpts { common_opts: options, buckets }
}
