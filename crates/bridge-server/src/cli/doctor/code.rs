//! What can be found, each with a code that stays the same, how bad it is, and what to do about it.

use super::finding::Severity;
use std::fmt;

/// What is looked at; each is answered for by at least one finding, also when it could not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Config,
    Store,
    Disk,
    Redis,
    Server,
    DeadLetters,
    Systems,
    Connection,
    Reach,
    Credential,
    Rights,
    Addon,
    ErpClock,
    Database,
    DatabaseClock,
    Capture,
    Wal,
    Models,
    Sources,
}

impl Check {
    /// Its name in the output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Store => "store",
            Self::Disk => "disk",
            Self::Redis => "redis",
            Self::Server => "server",
            Self::DeadLetters => "dead letters",
            Self::Systems => "systems",
            Self::Connection => "connection",
            Self::Reach => "reach",
            Self::Credential => "credential",
            Self::Rights => "rights",
            Self::Addon => "add-on",
            Self::ErpClock => "clock",
            Self::Database => "database",
            Self::DatabaseClock => "database clock",
            Self::Capture => "capture",
            Self::Wal => "wal",
            Self::Models => "models",
            Self::Sources => "sources",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares the codes: each with its severity, what it means, and what to do. In that, `{name}` stands for the fact of
/// this name of the finding.
macro_rules! codes {
    ($($name:ident = $text:literal, $severity:ident, $meaning:literal, $advice:literal;)+) => {
        /// The code of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code {
            $(#[doc = $meaning] $name,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as scripts see it.
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// How bad it is.
            pub(super) fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// What it means.
            #[cfg(test)]
            pub(super) fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What to do.
            pub(super) fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)+ }
            }
        }
    };
}

codes! {
    Fine = "OK", Ok,
        "nothing is wrong with what was looked at",
        "";
    NotChecked = "NOT_CHECKED", Unknown,
        "it could not be looked at, for the reason that is told",
        "mend what is named as the reason, then run `bridgecore doctor` again";

    ConfigInvalid = "CONFIG_INVALID", Error,
        "the settings can't be used, so that the service would not start",
        "mend the setting that is named; ops/bridgecore.example.toml holds every setting, and `bridgecore keys` makes keys";
    ConfigExposed = "CONFIG_EXPOSED", Warning,
        "every user of the machine may read the config file, which holds the keys",
        "chmod o= {path}";
    KeysUnusable = "KEYS_UNUSABLE", Error,
        "security.encryption_keys holds something that is no Fernet key",
        "put the key back that was there, or one that `bridgecore keys` prints; without the old one, connections have to be saved again";
    StoreMissing = "STORE_MISSING", Error,
        "there is no database of BridgeCore where store.url points",
        "check store.url; the first start makes it: bridgecore serve --config {config}";
    StoreUnreachable = "STORE_UNREACHABLE", Error,
        "BridgeCore's own database can't be opened",
        "check that it runs, that store.url is right, and that this user may open it";
    StoreOld = "STORE_OLD", Error,
        "the schema of BridgeCore's database is older than this program: an older program is running, or none since the upgrade",
        "restart the service with this program; it brings the schema forward at the start";
    StoreNew = "STORE_NEW", Error,
        "the schema of BridgeCore's database is newer than this program",
        "use the newer program, or restore a backup from before the upgrade";
    StoreNotDurable = "STORE_NOT_DURABLE", Warning,
        "the PostgreSQL server of BridgeCore's database does not sync what it commits: a crash of the machine may lose or spoil it",
        "set fsync and full_page_writes to on in that server's postgresql.conf, and reload it";
    StoreStandby = "STORE_STANDBY", Error,
        "store.url leads to a server that follows another, and can't be written to",
        "put the primary's address into store.url";
    DiskLow = "DISK_LOW", Warning,
        "the disk with BridgeCore's database is nearly full",
        "make room in {path}, or keep changes for a shorter time: retention.log_days";
    DiskFull = "DISK_FULL", Error,
        "the disk with BridgeCore's database is full, or will be within short",
        "make room in {path} now; what can't be written is refused with 503, and nothing that was answered is lost";
    RedisUnreachable = "REDIS_UNREACHABLE", Warning,
        "Redis does not answer, so that nodes do not share what they keep of the ERPs' answers, and each counts requests by itself; everything else works",
        "check that it runs, and cache.redis_url; where there is one node alone, leave cache.redis_url empty";
    ServerDown = "SERVER_DOWN", Error,
        "nothing answers where the service should listen",
        "start it: bridgecore serve --config {config}; if it should be running, its log says why it is not";
    ServerNotReady = "SERVER_NOT_READY", Error,
        "the service answers that it can't work",
        "look at its log; most often its database is away";
    ServerOther = "SERVER_OTHER", Error,
        "something else than BridgeCore answers where the service should listen",
        "end the other program, or give the service another address: server.listen";
    ServerVersion = "SERVER_VERSION", Warning,
        "the service that runs is of another version than this program",
        "restart the service, or use the program of its version";
    ServerPanics = "SERVER_PANICS", Warning,
        "mistakes of BridgeCore were caught since the service was started",
        "report the lines \"panic:\" of its log";
    DeadLetters = "DEAD_LETTERS", Warning,
        "events of ERPs could not be understood and were put aside",
        "look at GET /api/v1/webhooks/dead-letters, mend what they name, and retry them: POST /api/v1/webhooks/retry/bulk";
    NoSystems = "NO_SYSTEMS", Warning,
        "no system is registered, so that no changes come",
        "register one: POST /api/v1/systems";
    SystemNotFound = "SYSTEM_NOT_FOUND", Error,
        "no system has the name that was asked for",
        "name one of: {known}";
    SlotOfDeleted = "SLOT_OF_DELETED", Warning,
        "the slot of a deleted system is still there: its server keeps its log for it until the disk is full",
        "in the database {database} of that server: SELECT pg_drop_replication_slot('{slot}')";
    SlotUntraced = "SLOT_UNTRACED", Unknown,
        "a deleted system was read through a slot, and nobody knows any more where to look for it",
        "in the database that it was: SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}'";

    ConnectionUnreadable = "CONNECTION_UNREADABLE", Error,
        "the system's stored connection can't be decrypted or understood",
        "put the key that it was encrypted with back into security.encryption_keys, or save the connection again: PUT /api/v1/systems/{system}";
    ErpUnreachable = "ERP_UNREACHABLE", Error,
        "nothing answers at the system's address, or not in time",
        "check that it runs and that {url} is right and reached from this machine: curl -sS {url}/web/health";
    AddressRefused = "ADDRESS_REFUSED", Error,
        "the address of the system or of its database is one that BridgeCore may not connect to",
        "if it is the right one, allow it in the config and restart the service: outbound.allow_private = true for private addresses, or the address in outbound.allowed_addresses; the message says of which kind it is";
    ErpFailed = "ERP_FAILED", Error,
        "what answers at the system's address does not answer as it should",
        "check that {url} is the base address of the system and not another page's; its own log may say more";
    ErpVersion = "ERP_VERSION", Warning,
        "it is a version that BridgeCore is not made for",
        "see \"Versions of Odoo\" in docs/OPERATIONS.md";
    ErpDatabaseUnknown = "ERP_DATABASE_UNKNOWN", Error,
        "the system has no database of the name in the connection",
        "put the right name into connection_config.database: PUT /api/v1/systems/{system}";
    CredentialRefused = "CREDENTIAL_REFUSED", Error,
        "the system refuses the log-in name with the password or API key",
        "save a credential that works: PUT /api/v1/systems/{system} with connection_config; keys of Odoo end";
    CredentialEnds = "CREDENTIAL_ENDS", Warning,
        "the API key ends soon, and BridgeCore can't renew it",
        "make a key in Odoo and save it as connection_config.api_key, or save the password beside it, so that keys are renewed: PUT /api/v1/systems/{system}";
    RightsMissing = "RIGHTS_MISSING", Error,
        "the credential's user may not do what BridgeCore needs",
        "give the user {username} the rights of an administrator (Settings) in Odoo, or use another user";
    ModelsUnreadable = "MODELS_UNREADABLE", Warning,
        "the credential's user may not read models that are polled: their changes are not seen",
        "give the user {username} the right to read them in Odoo, or leave them out: PUT /api/v1/systems/{system}/detection";
    ClockSkew = "CLOCK_SKEW", Warning,
        "a clock differs from this machine's: times of changes are wrong by as much, and keys and leases seem to end at other times",
        "synchronise the clocks of both machines (chrony or systemd-timesyncd)";
    AddonMissing = "ADDON_MISSING", Warning,
        "no add-on keeps an event table in Odoo, and detection is off: only what is pushed is seen",
        "install odoo/addons/bridgecore in Odoo, or set detection.enabled = true";
    AddonOld = "ADDON_OLD", Warning,
        "the add-on in Odoo is older than the one that comes with this program",
        "put the new odoo/addons/bridgecore beside Odoo and upgrade it: odoo -u bridgecore -d {database}";
    AddonRefused = "ADDON_REFUSED", Error,
        "the event table in Odoo can't be asked",
        "give the user {username} the group \"BridgeCore\" in Odoo; the message says more";
    AddonSilent = "ADDON_SILENT", Warning,
        "records of a model that the add-on covers were written, and it told nothing of them",
        "check in Odoo that {model} is switched on (Settings, BridgeCore) and restart Odoo; what writes with raw SQL is seen by capture or wal alone";
    AddonBacklog = "ADDON_BACKLOG", Warning,
        "many events wait in Odoo to be read",
        "see whether the service runs and keeps up: the finding \"sources\" below and its log";

    DatabaseUnreachable = "DATABASE_UNREACHABLE", Error,
        "Odoo's PostgreSQL can't be reached at postgres_url",
        "check that the server listens there (listen_addresses, firewall, pg_hba.conf) and that connection_config.postgres_url is right";
    DatabaseRefused = "DATABASE_REFUSED", Error,
        "Odoo's PostgreSQL refuses the role, its password, or the database of postgres_url",
        "check the role and pg_hba.conf there; `bridgecore capture install` and `bridgecore wal install` make roles that fit";
    DatabaseFailed = "DATABASE_FAILED", Error,
        "Odoo's PostgreSQL refused or failed a question",
        "the message says which; the roles of `bridgecore capture install` and `bridgecore wal install` have the rights that are needed";
    DatabaseNotOdoo = "DATABASE_NOT_ODOO", Error,
        "the database of postgres_url holds no Odoo",
        "put the database's right name into connection_config.postgres_url";
    DatabaseOther = "DATABASE_OTHER", Error,
        "the database of postgres_url is another one than the Odoo at the system's address works on",
        "put the address of that Odoo's own database into connection_config.postgres_url";
    DatabaseOld = "DATABASE_OLD", Error,
        "Odoo's PostgreSQL is older than 12",
        "upgrade it, or leave postgres_url out";
    DatabaseSuperuser = "DATABASE_SUPERUSER", Warning,
        "postgres_url names a superuser, who may do anything in Odoo's server",
        "use the role that `bridgecore capture install` or `bridgecore wal install` makes";

    CaptureMissing = "CAPTURE_MISSING", Error,
        "models are to be seen by capture, and it is not installed",
        "bridgecore capture install --database-url postgres://OWNER:…@HOST/{database}";
    CaptureDenied = "CAPTURE_DENIED", Error,
        "the capture is installed, and the role of postgres_url may not read it",
        "use the role {reader} in postgres_url, or run: bridgecore capture install --role {role}";
    CaptureTriggers = "CAPTURE_TRIGGERS", Error,
        "triggers of captured tables are missing or switched off: changes of these tables are not seen",
        "bridgecore capture install --database-url postgres://OWNER:…@HOST/{database}; devices read these models anew then";
    CaptureIncomplete = "CAPTURE_INCOMPLETE", Warning,
        "the capture was installed for all tables, and tables were made since",
        "bridgecore capture install --database-url postgres://OWNER:…@HOST/{database}";
    CaptureOld = "CAPTURE_OLD", Warning,
        "the trigger functions are those of another version of this program",
        "bridgecore capture install --database-url postgres://OWNER:…@HOST/{database}";
    CaptureErrors = "CAPTURE_ERRORS", Warning,
        "triggers have met errors that the reader has not answered with a `reset` of the models yet",
        "see PostgreSQL's log of that time; once the service reads, devices read these models anew";
    CaptureBacklog = "CAPTURE_BACKLOG", Warning,
        "many rows, or old ones, wait in the outbox: nobody reads, or not fast enough",
        "see whether the service runs and keeps up: the finding \"sources\" below and its log; the rows take the database's disk meanwhile";

    WalLevel = "WAL_LEVEL", Error,
        "the server's wal_level does not let changes be read from its log",
        "ALTER SYSTEM SET wal_level = 'logical'; then restart that PostgreSQL";
    WalStandby = "WAL_STANDBY", Error,
        "postgres_url leads to a server that follows another, whose log can't be read this way",
        "put the primary's address into connection_config.postgres_url";
    WalRole = "WAL_ROLE", Error,
        "the role of postgres_url may not read the log",
        "use the role that `bridgecore wal install` makes, or: ALTER ROLE {role} REPLICATION (on Amazon: GRANT rds_replication TO {role})";
    WalPublicationMissing = "WAL_PUBLICATION_MISSING", Error,
        "models are to be seen through the log, and there is no publication",
        "bridgecore wal install --database-url postgres://SUPERUSER:…@HOST/{database}";
    WalPublicationFault = "WAL_PUBLICATION_FAULT", Error,
        "the publication can't be used, or makes writes of Odoo fail",
        "bridgecore wal install --database-url postgres://SUPERUSER:…@HOST/{database}";
    WalTables = "WAL_TABLES", Warning,
        "models are to be seen through the log, and their tables are not published",
        "bridgecore wal install --database-url postgres://SUPERUSER:…@HOST/{database}; it says why a table can't be published";
    WalNoSlot = "WAL_NO_SLOT", Error,
        "the server has no replication slot or WAL sender left for us",
        "raise max_replication_slots and max_wal_senders there and restart it, or drop slots that nobody needs: SELECT * FROM pg_replication_slots";
    WalSlotMissing = "WAL_SLOT_MISSING", Error,
        "the slot that the log was read through is gone",
        "nothing, if the service runs: it makes another, and devices read the models anew; find out who dropped it";
    WalSlotLost = "WAL_SLOT_LOST", Error,
        "the server has dropped the log that the slot needs (max_slot_wal_keep_size)",
        "nothing, if the service runs: it makes another slot, and devices read the models anew; it was away or slow for too long";
    WalUnread = "WAL_UNREAD", Error,
        "nobody reads through the slot, and the server keeps its log for it",
        "start the service, or see in its log why it can't read; if it is not to read any more: bridgecore wal uninstall --database-url postgres://SUPERUSER:…@HOST/{database}";
    WalRetained = "WAL_RETAINED", Warning,
        "the server keeps more of its log for us than wal.retained_bytes_alarm",
        "see whether the service keeps up, and end long transactions in Odoo's database; beyond wal.retained_bytes_max the slot is dropped";
    WalUnbounded = "WAL_UNBOUNDED", Warning,
        "the server would keep its log for the slot without end while no service runs",
        "ALTER SYSTEM SET max_slot_wal_keep_size = '16GB' (what its disk can spare; PostgreSQL 13 and later), then SELECT pg_reload_conf()";
    SlotLeft = "SLOT_LEFT", Warning,
        "a slot named as ours belongs to no system that is registered here, and nobody reads through it",
        "if no other BridgeCore uses it, in the database {database} of that server: SELECT pg_drop_replication_slot('{slot}')";

    ModelsNotDiscovered = "MODELS_NOT_DISCOVERED", Warning,
        "the system's models were not looked up for longer than they should",
        "see that the service runs and the credential may read ir.model; it looks every detection.discover_interval_ms";
    ModelsUnowned = "MODELS_UNOWNED", Warning,
        "models that should be seen are seen by nobody",
        "wait a minute after a change; then see the findings above, and GET /api/v1/systems/{system}/models?owner=none";
    ModelsNotAsChosen = "MODELS_NOT_AS_CHOSEN", Warning,
        "models are not seen by the strategy that an admin chose for them, because it can't see them now",
        "mend that strategy (the findings above), or choose another: PUT /api/v1/systems/{system}/detection";
    SourceFailing = "SOURCE_FAILING", Error,
        "a strategy that owns models fails",
        "mend what its message says; nothing is lost meanwhile, and after detection.failover_ms the next best takes its models over";
    SourceSilent = "SOURCE_SILENT", Error,
        "a strategy that owns models has not looked for too long",
        "start the service, or see in its log why its reader does not work";
    PollBehind = "POLL_BEHIND", Warning,
        "polling has more to do than fits into its share of the system's time: changes are seen late",
        "raise detection.poll.share_percent, or have models seen in a better way: install the add-on or the capture";
}
