//! The schema's versions: the same numbers and names in both databases, only ever forward.

use crate::StoreError;

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// Counts from 1 without gaps.
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

macro_rules! migration {
    ($number:literal, $file:literal) => {
        Migration {
            number: $number,
            name: $file,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $file, ".sql")),
        }
    };
}

/// All steps, oldest first.
pub(crate) const ALL: &[Migration] = &[
    migration!(1, "0001_log"),
    migration!(2, "0002_accounts_and_work"),
    migration!(3, "0003_retries"),
    migration!(4, "0004_user_links"),
    migration!(5, "0005_detection"),
    migration!(6, "0006_mirror"),
    migration!(7, "0007_wal_places"),
    migration!(8, "0008_reader_notes"),
    migration!(9, "0009_credentials"),
    migration!(10, "0010_polling"),
    migration!(11, "0011_records"),
    migration!(12, "0012_mappings"),
    migration!(13, "0013_tasks"),
    migration!(14, "0014_keyed_writes"),
    migration!(15, "0015_stored_files"),
    migration!(16, "0016_series_of_writes"),
    migration!(17, "0017_push_addresses"),
    migration!(18, "0018_audit"),
    migration!(19, "0019_alerts"),
];

/// The table that records which steps a database has had.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";
/// The highest step that a database has had.
pub(crate) const VERSION: &str = "SELECT COALESCE(MAX(number), 0) FROM schema_migrations";
/// Records a step, with its number, name and the time.
pub(crate) const RECORD: &str = "INSERT INTO schema_migrations (number, name, applied_at) VALUES (?1, ?2, ?3)";

/// The steps that a database at `version` still needs. A database that is newer than this program is refused: an
/// older program would write what the newer one does not expect.
pub(crate) fn pending(version: i64, known: &'static [Migration]) -> Result<&'static [Migration], StoreError> {
    let newest = known.last().map_or(0, |migration| migration.number);
    if version > newest {
        return Err(StoreError::Migration {
            what: format!(
                "the database is at schema version {version}, but this program knows only versions up to {newest}; \
                 start the newer program, or restore a backup made before it was upgraded"
            ),
            source: None,
        });
    }
    Ok(&known[usize::try_from(version).unwrap_or(0)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_names_agree_with_them() {
        for (index, migration) in ALL.iter().enumerate() {
            assert_eq!(usize::try_from(migration.number).unwrap(), index + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)), "{}", migration.name);
        }
    }

    #[test]
    fn both_databases_have_the_same_files_and_all_are_known() {
        for database in ["sqlite", "postgres"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
            let mut files: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let known: Vec<_> = ALL.iter().map(|migration| format!("{}.sql", migration.name)).collect();
            assert_eq!(files, known, "{database}");
        }
    }

    #[test]
    fn a_newer_database_is_refused_by_name_and_number() {
        let newest = ALL.last().unwrap().number;
        let error = pending(newest + 1, ALL).unwrap_err().to_string();
        assert!(error.contains("the database is at schema version"), "{error}");
        assert_eq!(pending(1, ALL).unwrap()[0].number, 2);
        assert!(pending(newest, ALL).unwrap().is_empty());
    }
}
