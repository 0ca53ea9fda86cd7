//! What the service counts and measures, for Prometheus.
//!
//! One registry for each running service, never one for the process: two services in one test process must not share.
//! `table!` below is the one place that names a metric. Its lines make the fields, register them, and are the list in
//! `docs/METRICS.md`.

mod instrument;
mod list;
mod models;
mod timer;

pub use instrument::Described;
pub use list::markdown;
pub use timer::{Held, Timer};

use bridge_model::{Event, ModelName};
use instrument::{Instrument, made};
use models::{KnownModels, Models};
use prometheus::{
    GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

/// The most models that have a line of their own; the others share `other`. The names come from outside, and each
/// costs memory here and in Prometheus.
pub const MODELS_MAX: usize = 200;

/// Where panics are caught, as `panics_total` names it.
const TASKS: &[&str] =
    &["request", "connection", "job", "jobs", "reader", "readers", "poll", "watch", "mirror", "heads", "alerts"];

macro_rules! table {
    ($($(#[doc = $meaning:literal])+ $field:ident: $kind:ty = $name:literal $labels:tt;)+) => {
        /// Every metric by its field.
        #[derive(Debug)]
        pub struct Table { $($(#[doc = $meaning])+ pub $field: $kind,)+ }

        impl Table {
            fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
                Ok(Self {
                    $($field: made(registry, $name, concat!($($meaning),+).trim(), &$labels)?,)+
                })
            }
        }

        /// The metrics as the list of them shows them.
        pub const DESCRIBED: &[Described] = &[$(Described {
            name: $name,
            kind: <$kind as Instrument>::KIND,
            labels: &$labels,
            meaning: concat!($($meaning),+),
        }),+];
    };
}

table! {
    /// Events of ERPs that became part of the log, pushed or read. `operation` is what happened to the record;
    /// models beyond the first 200 share `other`.
    webhook_received: IntCounterVec = "webhook_received_total" ["model", "operation"];
    /// Events that were in the log already, which is usual where events are pushed and read as well.
    webhook_duplicates: IntCounter = "webhook_duplicates_total" [];
    /// Events that could not be understood and were kept as dead letters.
    webhook_rejected: IntCounter = "webhook_rejected_total" [];
    /// How long a push took, from its body to the answer that it is durable.
    webhook_processing: Histogram = "webhook_processing_seconds" [];
    /// Batches of events that were handed to the database and are not durable yet.
    webhook_queue_size: IntGauge = "webhook_queue_size" [];
    /// Open WebSocket connections.
    websocket_connections: IntGauge = "websocket_connections_active" [];
    /// Pulls.
    sync_requests: IntCounter = "sync_requests_total" [];
    /// Changes that pulls answered.
    sync_events_returned: IntCounter = "sync_events_returned_total" [];
    /// Pulls that got an error, by its `code`; with `sync_requests_total` the rates of success and of conflicts.
    sync_errors: IntCounterVec = "sync_errors_total" ["code"];
    /// How long a pull took, without reading the request and sending the answer. Pulls that wait for a change
    /// (`wait_s`) are not in it.
    sync_duration: Histogram = "sync_duration_seconds" [];
    /// Devices that were told to start from a snapshot, because the log does not reach back to where they are.
    sync_resyncs: IntCounter = "sync_resyncs_total" [];
    /// The size of a good answer to a pull or a page of a snapshot, in bytes before any compression.
    sync_response_bytes: HistogramVec = "sync_response_bytes" ["operation"];
    /// Requests, by the path's pattern (never the path itself; `none` if there is no such path) and the status.
    http_requests: IntCounterVec = "http_requests_total" ["method", "endpoint", "status"];
    /// How long a request took until the answer began.
    http_duration: HistogramVec = "http_request_duration_seconds" ["method", "endpoint"];
    /// How long a call of the database took, for the two that carry the traffic: `append` (until durable, with the
    /// wait for its turn) and `read_log`.
    db_duration: HistogramVec = "db_query_duration_seconds" ["operation"];
    /// Transactions that the database has committed since the start.
    store_commits: IntCounter = "store_commits_total" [];
    /// Calls that those transactions carried; their ratio is how well callers share commits.
    store_writes: IntCounter = "store_writes_total" [];
    /// Systems that this node reads and whose last look was a success.
    active_connections: IntGaugeVec = "active_connections" ["system_type"];
    /// Seconds since the system was last looked at with success, by each strategy. Systems that this node reads; beyond
    /// the first 200 they share `other`, with the highest.
    source_lag: GaugeVec = "source_lag_seconds" ["tenant", "system", "strategy"];
    /// 1 while the last look at the system was a success, 0 while looks fail.
    source_up: IntGaugeVec = "source_up" ["tenant", "system", "strategy"];
    /// Events between the newest that the ERP showed and the last one read.
    source_backlog: IntGaugeVec = "source_backlog_events" ["tenant", "system", "strategy"];
    /// Missing event ids that are asked for again.
    source_open_gaps: IntGaugeVec = "source_open_gaps" ["tenant", "system", "strategy"];
    /// Devices whose state was written to their ERP (`shown`), that were ended there (`ended`), or that it refused
    /// (`refused`).
    mirror_states: IntCounterVec = "mirror_states_total" ["outcome"];
    /// Rounds in which an ERP could not be told of its devices; they are repeated.
    mirror_failures: IntCounter = "mirror_failures_total" [];
    /// How long ago the oldest state was confirmed that the system's ERP does not show yet, in seconds; 0 while it shows
    /// all. Systems whose devices this node mirrors; beyond the first 200 they share `other`, with the highest.
    mirror_lag: GaugeVec = "mirror_lag_seconds" ["tenant", "system"];
    /// Errors that triggers in an ERP's database have caught; each was answered by a `reset` of the table's models.
    capture_errors: IntCounter = "capture_errors_total" [];
    /// Look-ups of what ERPs themselves note of changes, by outcome: `answered`, `failed` (or took too long), and
    /// `left_out` while nothing is looked up after a failure. The changes are in the log either way.
    trail_lookups: IntCounterVec = "trail_lookups_total" ["outcome"];
    /// How long a look-up of what an ERP itself notes took.
    trail_seconds: Histogram = "trail_lookup_seconds" [];
    /// Changes that got values before or after from what ERPs themselves note.
    trail_changes: IntCounter = "trail_changes_total" [];
    /// How much of the log of the ERP's database is still to be read and confirmed, in bytes.
    wal_lag: IntGaugeVec = "wal_lag_bytes" ["tenant", "system"];
    /// How much of its log the ERP's database keeps for us, in bytes: it grows while nobody reads, and takes the
    /// database's disk.
    wal_retained: IntGaugeVec = "wal_retained_bytes" ["tenant", "system"];
    /// 1 while the ERP's database keeps more of its log for us than `wal.retained_bytes_alarm`.
    wal_alarm: IntGaugeVec = "wal_retained_alarm" ["tenant", "system"];
    /// Models that should be seen through the log of the ERP's database and whose tables it does not publish.
    wal_unpublished: IntGaugeVec = "wal_unpublished_models" ["tenant", "system"];
    /// Times that the log of an ERP's database could not be read on, so that everything that may have changed was
    /// told anew. At first reading it counts as well.
    wal_reconciles: IntCounter = "wal_reconciles_total" [];
    /// When the API key of a system ends, in seconds since 1970, as far as it is known. Beyond the first 200
    /// systems they share `other`, with the first end.
    credential_expires_at: GaugeVec = "credential_expires_at_seconds" ["tenant", "system"];
    /// 1 while the API key of a system ends soon and can't be renewed, else 0. Beyond the first 200 systems
    /// they share `other`, with their number.
    credential_problems: IntGaugeVec = "credential_problems" ["tenant", "system"];
    /// Requests for records, by what was done and how it ended: `ok` or the `code` of the problem. Models beyond the first
    /// 200, and those that a system does not have, share `other`.
    api_operations: IntCounterVec = "api_operations_total" ["system_type", "model", "operation", "status"];
    /// The circuit breaker of a system on this node: 0 closed, 1 half-open, 2 open. Beyond the first 200 systems they share
    /// `other`, with the highest.
    circuit_breaker: IntGaugeVec = "circuit_breaker_state" ["tenant", "system_id"];
    /// Calls made to ERPs to compare records.
    poll_calls: IntCounter = "poll_calls_total" [];
    /// How long such a call took; its sum over time is the share of the ERPs' time that polling takes.
    poll_call_seconds: Histogram = "poll_call_seconds" [];
    /// By how much the polled model that has waited longest is overdue, in seconds. Systems that this node polls;
    /// beyond the first 200 they share `other`, with the highest.
    poll_behind: GaugeVec = "poll_behind_seconds" ["tenant", "system"];
    /// Requests to carry records from one version to another, by what became of them (`success`, `error`).
    version_migrations: IntCounterVec = "version_migrations_total" ["system_type", "from_version", "to_version", "status"];
    /// Answers about records that came out of the cache, by what was asked for: `read`, `search` or `count`.
    cache_hits: IntCounterVec = "cache_hits_total" ["operation"];
    /// Answers about records that could have come out of the cache and had to be asked for. What is never kept is not
    /// in it.
    cache_misses: IntCounterVec = "cache_misses_total" ["operation"];
    /// Those of the answers out of the cache that another node had kept in Redis, or this one before it was started anew.
    cache_shared_hits: IntCounterVec = "cache_shared_hits_total" ["operation"];
    /// 1 while Redis answers, 0 while it does not, by what it is used for (`cache`, `limits`); not there if none is configured. It
    /// is as of the last time that it was asked.
    redis_up: IntGaugeVec = "redis_up" ["use"];
    /// Requests that were refused by a limit, by the class that they were of.
    rate_limited: IntCounterVec = "rate_limited_total" ["class"];
    /// Requests that this node counted by itself because Redis did not answer, where nodes count together.
    rate_limits_alone: IntCounter = "rate_limits_alone_total" [];
    /// How many users, keys and log-in names this node counts requests of, for each class.
    rate_limit_entries: IntGauge = "rate_limit_entries" [];
    /// Models that were taken from a strategy that had failed for too long.
    takeovers: IntCounter = "detection_takeovers_total" [];
    /// Alerts that are open, of all tenants and of the service itself.
    alerts_open: IntGaugeVec = "alerts_open" ["kind"];
    /// Messages about alerts, by whom they are for and by `outcome`: `sent`, `failed` (and tried again) or `given_up`.
    alerts_sent: IntCounterVec = "alerts_sent_total" ["target", "outcome"];
    /// Dead letters that are kept, of all tenants.
    dead_letters: IntGauge = "dead_letters" [];
    /// The log's last position. `tenant` is the tenant's number; beyond the first 100 they share `other`, with the
    /// sum.
    log_head: IntGaugeVec = "log_head" ["tenant"];
    /// Jobs by state: `queued` (also those that are not due yet), `running`, `failed` (given up).
    jobs: IntGaugeVec = "jobs" ["state"];
    /// Attempts at jobs that ended, by `outcome`: `done` or `failed` (repeated, if attempts are left).
    jobs_done: IntCounterVec = "jobs_done_total" ["kind", "outcome"];
    /// How long an attempt at a job took.
    job_duration: HistogramVec = "job_duration_seconds" ["kind"];
    /// Log-ins, by `outcome`: `done` or `refused`, for a wrong name or password. What the limits refuse is not looked at.
    logins: IntCounterVec = "logins_total" ["outcome"];
    /// Writes whose caller went away, or was told that it takes too long, before they ended. They went on to their end, and
    /// the audit tells what came of them.
    writes_left: IntCounter = "writes_left_total" [];
    /// Panics that were caught, by where: `request`, `connection`, `job`, or the background task, which was started
    /// again. Each is a mistake of ours; the log says where.
    panics: IntCounterVec = "panics_total" ["task"];
    /// Looks at the database for this page that failed: the values that need it are those of the last one.
    sample_failures: IntCounter = "metrics_sample_failures_total" [];
    /// 1, with the version and the kind of database as labels.
    build_info: IntGaugeVec = "bridgecore_build_info" ["version", "database"];
}

/// The metrics of one running service. What is updated often has its handle looked up once, at the start.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    table: Table,
    received: Models,
    operated: KnownModels,
    /// `db_query_duration_seconds` of appending.
    pub append_seconds: Histogram,
    /// `db_query_duration_seconds` of reading the log.
    pub read_log_seconds: Histogram,
    pull_bytes: Histogram,
    snapshot_bytes: Histogram,
}

impl Metrics {
    /// Registers all of them; the error is a mistake in the table.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let table = Table::register(&registry)?;
        for task in TASKS {
            // There from the start, so that the first one is seen as an increase.
            table.panics.with_label_values(&[*task]);
        }
        Ok(Self {
            received: Models::new(table.webhook_received.clone(), MODELS_MAX),
            operated: KnownModels::default(),
            append_seconds: table.db_duration.with_label_values(&["append"]),
            read_log_seconds: table.db_duration.with_label_values(&["read_log"]),
            pull_bytes: table.sync_response_bytes.with_label_values(&["pull"]),
            snapshot_bytes: table.sync_response_bytes.with_label_values(&["snapshot"]),
            registry,
            table,
        })
    }

    /// The counter of `webhook_received_total` for events of this kind.
    pub fn received(&self, model: &ModelName, event: Event) -> IntCounter {
        self.received.counter(model, event)
    }

    /// Counts a request for records. A model that is `real` gets a line of its own, as long as there are few.
    pub fn operated(&self, system_type: &str, model: &ModelName, real: bool, operation: &str, status: &str) {
        let model = self.operated.label(model, real, MODELS_MAX);
        self.api_operations.with_label_values(&[system_type, model.as_str(), operation, status]).inc();
    }

    /// Counts an answer. `endpoint` is the path's pattern, and `bytes` the size of the answer where it is known.
    pub fn answered(&self, method: &str, endpoint: &str, status: &str, seconds: f64, bytes: Option<u64>) {
        self.http_requests.with_label_values(&[method, endpoint, status]).inc();
        self.http_duration.with_label_values(&[method, endpoint]).observe(seconds);
        let sizes = match endpoint {
            "/api/v2/sync/pull" => &self.pull_bytes,
            "/api/v2/sync/snapshot" => &self.snapshot_bytes,
            _ => return,
        };
        if let ("200", Some(bytes)) = (status, bytes) {
            #[expect(clippy::cast_precision_loss, reason = "a size is only put into a bucket")]
            sizes.observe(bytes as f64);
        }
    }

    /// Counts a panic that was caught.
    pub fn panicked(&self, task: &str) {
        self.panics.with_label_values(&[task]).inc();
    }

    /// All values in Prometheus' text format; the error is a name or a label that the format does not allow.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl std::ops::Deref for Metrics {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}
