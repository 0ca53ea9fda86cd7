//! What is encrypted, and the exchange of keys.

use super::accounts::tenant_with_user;
use super::systems::new_system;
use super::{Bed, audit, contract};
use crate::db::Statement;
use crate::{AuditQuery, Encrypted, LinkSecret, NewKeyedWrite, NewTask, Settled, Store, WriteClaim, WriteKey};
use bridge_model::{Clock as _, SystemKey, TenantId, UserId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

contract! {
    everything_that_is_encrypted_follows_a_change_of_keys,
    what_no_key_decrypts_is_told_and_left,
    many_rows_are_renewed_in_pages,
}

/// Keys for tests only.
const NEW_KEY: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
const THIRD_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Something of each kind that is kept encrypted.
#[derive(Debug)]
struct Kept {
    tenant: TenantId,
    user: UserId,
    system: SystemKey,
    key: WriteKey,
}

fn password() -> LinkSecret {
    LinkSecret { password: "hush-hush".to_owned(), api_key: None, address: "http://odoo".to_owned() }
}

async fn keep_all(bed: &Bed, store: &Store) -> Kept {
    let (tenant, user) = tenant_with_user(store, "ada").await;
    let system = store.create_system(tenant, new_system("odoo")).await.unwrap();
    store.save_erp_link(tenant, user.id, system.key, "ada", &password(), 7).await.unwrap();
    store.add_audit_entry(&audit::entry(tenant, user.id)).await.unwrap();
    let key = answer(bed, store, tenant, user.id, system.key, "order-1").await;
    let new = NewTask {
        user: user.id,
        kind: "batch".to_owned(),
        system_id: system.system_id,
        request: json!({ "do": "this" }),
        total: 1,
        series: "series".to_owned(),
    };
    let task = store.add_task(tenant, new, 10).await.unwrap().unwrap();
    let fence = store.acquire_lease("tasks", "one", Duration::from_secs(30)).await.unwrap().unwrap().fence();
    let settled = Settled { outcomes: vec![json!("done")], successful: 1, failed: 0 };
    assert!(store.settle_operations(task.id, 0, settled, &fence).await.unwrap());
    // What is gone for good is no secret any more.
    let gone = store.create_system(tenant, new_system("gone")).await.unwrap();
    assert!(store.delete_system(tenant, &gone.system_id).await.unwrap());
    Kept { tenant, user: user.id, system: system.key, key }
}

async fn answer(bed: &Bed, store: &Store, tenant: TenantId, user: UserId, system: SystemKey, key: &str) -> WriteKey {
    let key = WriteKey { tenant, user, key: key.to_owned() };
    let write = NewKeyedWrite {
        system,
        request_hash: "hash".to_owned(),
        sent_as: "ada".to_owned(),
        erp_key: None,
        to_check: json!({}),
        series: None,
    };
    let claim = WriteClaim { name: "mine".to_owned(), until: bed.clock.now().plus(Duration::from_secs(30)) };
    assert!(store.begin_keyed_write(&key, &write, &claim).await.unwrap());
    assert!(store.answer_keyed_write(&key, &claim, &json!({ "id": 7 })).await.unwrap());
    key
}

/// All of it as it reads.
async fn seen(store: &Store, kept: &Kept) -> Vec<Value> {
    let Kept { tenant, user, system, key } = kept;
    let link = store.erp_link(*tenant, *user, *system).await.unwrap().unwrap();
    assert_eq!(link.secret, password());
    let task = store.next_task(*tenant).await.unwrap().unwrap().id;
    let query = AuditQuery { limit: 1, ..AuditQuery::default() };
    vec![
        store.systems(*tenant).await.unwrap().remove(0).connection,
        store.keyed_write(key).await.unwrap().unwrap().answer.unwrap(),
        store.task_request(task).await.unwrap().unwrap(),
        store.task_outcomes(task).await.unwrap().into(),
        store.audit_entries(*tenant, &query).await.unwrap().remove(0).entry.values,
    ]
}

async fn open(bed: &Bed, keys: &[&str]) -> Store {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    bed.open_with(|options| options.encryption_keys = keys).await
}

/// The columns in which there is something that looks encrypted, of all that the database has.
async fn encrypted_columns(bed: &Bed, store: &Store) -> BTreeSet<(String, String)> {
    let columns = if bed.is_postgres() {
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
         WHERE table_schema = 'public' ORDER BY 1, 2"
    } else {
        "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    };
    let read = |row: &crate::db::Row| Ok((row.get_text(0)?, row.get_text(1)?));
    let columns = store.rows(Statement::new(columns, vec![]), read).await.unwrap();
    assert!(columns.len() > 100, "the schema was looked at");
    let mut encrypted = BTreeSet::new();
    for (table, column) in columns {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE CAST({column} AS TEXT) LIKE 'gAAAAA%'");
        let count = store.row(Statement::new(sql, vec![]), |row| row.get_i64(0)).await.unwrap();
        if count > Some(0) {
            encrypted.insert((table, column));
        }
    }
    encrypted
}

fn of_each(found: &[Encrypted], count: impl Fn(&Encrypted) -> u64) -> Vec<u64> {
    found.iter().map(count).collect()
}

async fn everything_that_is_encrypted_follows_a_change_of_keys(bed: Bed) {
    let old = bed.options().encryption_keys.remove(0);
    let store = bed.open().await;
    let kept = keep_all(&bed, &store).await;
    let before = seen(&store, &kept).await;
    let listed: Vec<Encrypted> = store.encryption().await.unwrap();
    let names = listed.iter().map(|one| (one.table.to_owned(), one.column.to_owned())).collect();
    assert_eq!(encrypted_columns(&bed, &store).await, names, "what is encrypted, and what is renewed");
    assert_eq!(of_each(&listed, |one| one.current), [1; 6]);
    store.close().await;

    let store = open(&bed, &[NEW_KEY, &old]).await;
    let looked = store.encryption().await.unwrap();
    assert_eq!((of_each(&looked, |one| one.older), of_each(&looked, |one| one.renewed)), (vec![1; 6], vec![0; 6]));
    let renewed = store.renew_encryption().await.unwrap();
    assert_eq!((of_each(&renewed, |one| one.renewed), of_each(&renewed, |one| one.older)), (vec![1; 6], vec![0; 6]));
    assert_eq!(of_each(&store.renew_encryption().await.unwrap(), |one| one.renewed), [0; 6]);
    store.close().await;

    let store = open(&bed, &[NEW_KEY]).await;
    assert_eq!(seen(&store, &kept).await, before);
    store.close().await;
    let store = open(&bed, &[&old]).await;
    assert_eq!(of_each(&store.encryption().await.unwrap(), |one| one.unreadable), [1; 6], "nothing is left of it");
}

async fn what_no_key_decrypts_is_told_and_left(bed: Bed) {
    let old = bed.options().encryption_keys.remove(0);
    let store = bed.open().await;
    let kept = keep_all(&bed, &store).await;
    let before = seen(&store, &kept).await;
    store.close().await;
    let store = open(&bed, &[NEW_KEY, THIRD_KEY]).await;
    let renewed = store.renew_encryption().await.unwrap();
    assert_eq!(
        (of_each(&renewed, |one| one.unreadable), of_each(&renewed, |one| one.renewed)),
        (vec![1; 6], vec![0; 6])
    );
    store.close().await;
    let store = open(&bed, &[&old]).await;
    assert_eq!(seen(&store, &kept).await, before);
}

async fn many_rows_are_renewed_in_pages(bed: Bed) {
    let old = bed.options().encryption_keys.remove(0);
    let store = bed.open().await;
    let Kept { tenant, user, system, .. } = keep_all(&bed, &store).await;
    for number in 0..520 {
        answer(&bed, &store, tenant, user, system, &format!("many-{number}")).await;
    }
    store.close().await;
    let store = open(&bed, &[NEW_KEY, &old]).await;
    let renewed = store.renew_encryption().await.unwrap();
    assert_eq!(of_each(&renewed, |one| one.renewed), [1, 1, 521, 1, 1, 1]);
}

/// Where the store encrypts, by file: each of these keeps what it encrypts in a column that `encryption.rs` lists.
#[test]
fn every_place_that_encrypts_is_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let count = std::fs::read_to_string(&path).unwrap().matches(".encrypt(").count();
            found.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), count);
        }
    }
    // Of the key itself there are its tests.
    found.retain(|name, count| *count > 0 && name != "crypt.rs");
    let known = [
        ("audit.rs", 1),
        // The connection of a system.
        ("credentials.rs", 1),
        ("encryption.rs", 1),
        ("erp_links.rs", 1),
        ("keyed_writes.rs", 1),
        ("systems.rs", 2),
        ("tasks.rs", 2),
    ];
    let known = known.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(found, BTreeMap::from(known), "a new one needs a line in PLACES, and a value in `keep_all`");
}
