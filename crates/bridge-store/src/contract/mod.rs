//! One suite, both databases: every test is written once against [`Bed`] and runs as `sqlite::…` and `postgres::…`.

mod accounts;
mod alerts;
mod audit;
mod bed;
mod condition;
mod credentials;
mod cursors;
mod dead_letters;
mod detection;
mod encryption;
mod jobs;
mod keyed_writes;
mod leases;
mod log_append;
mod log_order;
mod log_read;
mod log_trim;
mod look_back;
mod mappings;
mod migrations;
mod mirror;
mod polled;
mod postgres_only;
mod reader_notes;
mod records;
mod rights;
mod source;
mod sqlite_only;
mod stored_files;
mod systems;
mod tasks;
mod wal;

pub(crate) use bed::{Bed, eventually};

/// Declares tests that run on both databases: async functions of this module that take a [`Bed`].
macro_rules! contract {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::contract::Bed::sqlite().run(super::$test).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::contract::Bed::postgres().await.run(super::$test).await;
            })+
        }
    };
}
pub(crate) use contract;
