use super::{CAPTURED, bytes};
use crate::odoo::database::wal::{Lsn, Transactions};
use crate::odoo::database::{RowChange, RowKey, RowOperation};
use proptest::prelude::*;
use serde_json::json;

const BEGIN: usize = 0;
const PARTNER: usize = 1;
const COMMIT: usize = 5;
const LINK: usize = 6;
const TYPED: usize = 10;
const WHOLE: usize = 12;

/// What is told of these messages inside of one transaction.
fn told(image_bytes_max: usize, messages: &[usize]) -> Vec<RowChange> {
    let mut transactions = Transactions::new("life", image_bytes_max);
    let mut changes = Vec::new();
    for message in [BEGIN].iter().chain(messages) {
        assert_eq!(transactions.take(&bytes(CAPTURED[*message]), &mut changes), Ok(None));
    }
    assert!(transactions.is_open());
    let end = transactions.take(&bytes(CAPTURED[COMMIT]), &mut changes);
    assert_eq!(end, Ok(Some(Lsn(0x0153_E0E8))));
    assert!(!transactions.is_open());
    changes
}

fn short(changes: &[RowChange]) -> Vec<(&str, RowKey, RowOperation)> {
    changes.iter().map(|change| (change.table.as_str(), change.record.clone(), change.operation)).collect()
}

#[test]
fn each_row_is_one_change_with_a_name_that_stays() {
    let changes = told(0, &[PARTNER, 2, 4]);
    let update = ("res_partner", RowKey::Id(1), RowOperation::Update);
    let delete = ("res_partner", RowKey::Id(7), RowOperation::Delete);
    assert_eq!(short(&changes), [update, delete]);
    assert_eq!(changes[0].source_id.0, "wal:life:0/153E0B8:1");
    assert_eq!(changes[1].source_id.0, "wal:life:0/153E0B8:2");
    assert_eq!(changes[0].occurred_at.to_string(), "2026-11-22T06:54:37.515301Z");
    assert_eq!((&changes[0].changed_columns, &changes[0].new), (&None, &None));
}

#[test]
fn a_row_that_gets_another_key_is_another_record() {
    let changes = told(0, &[PARTNER, 3]);
    let gone = ("res_partner", RowKey::Id(1), RowOperation::Delete);
    let come = ("res_partner", RowKey::Id(7), RowOperation::Insert);
    assert_eq!(short(&changes), [gone, come]);
}

#[test]
fn a_row_without_an_id_is_known_by_the_records_that_it_links() {
    let key = RowKey::Links(vec![("a_id".to_owned(), 1), ("b_id".to_owned(), 2)]);
    let changes = told(0, &[LINK, 7, 8]);
    assert_eq!(short(&changes), [("rel", key.clone(), RowOperation::Insert), ("rel", key, RowOperation::Delete)]);
}

#[test]
fn a_table_that_keeps_whole_old_rows_tells_which_columns_changed() {
    let changes = told(1_000, &[WHOLE, 13, 14]);
    assert_eq!(changes[0].changed_columns, Some(vec!["name".to_owned()]));
    let object = |json: serde_json::Value| json.as_object().cloned();
    assert_eq!(changes[0].old, object(json!({"id": 1, "name": "a", "note": "xxx"})));
    // The note did not change and is not sent.
    assert_eq!(changes[0].new, object(json!({"id": 1, "name": "b"})));
    assert_eq!(changes[1].old, object(json!({"id": 1, "name": "b", "note": "xxx"})));
    assert_eq!(told(4, &[WHOLE, 13])[0].old, None, "an image that is too large is left out");
}

#[test]
fn emptied_tables_are_told_as_a_whole() {
    let changes = told(0, &[LINK, TYPED, 15]);
    let emptied = |table| (table, RowKey::Table, RowOperation::Truncate);
    assert_eq!(short(&changes), [emptied("rel"), emptied("typed")]);
}

#[test]
fn what_comes_without_what_must_come_before_is_refused() {
    let mut transactions = Transactions::new("life", 0);
    transactions.take(&bytes(CAPTURED[PARTNER]), &mut Vec::new()).unwrap();
    assert!(transactions.take(&bytes(CAPTURED[2]), &mut Vec::new()).is_err(), "outside of a transaction");
    transactions.take(&bytes(CAPTURED[BEGIN]), &mut Vec::new()).unwrap();
    assert!(transactions.take(&bytes(CAPTURED[7]), &mut Vec::new()).is_err(), "of an unknown table");
}

proptest! {
    #[test]
    fn no_order_of_messages_makes_it_panic(
        messages in proptest::collection::vec((0..CAPTURED.len(), any::<prop::sample::Index>(), any::<u8>()), 0..30),
    ) {
        let (mut transactions, mut changes) = (Transactions::new("life", 100), Vec::new());
        for (which, place, byte) in messages {
            let mut message = bytes(CAPTURED[which]);
            if byte < 64 {
                let place = place.index(message.len());
                message[place] = byte;
            }
            let _ = transactions.take(&message, &mut changes);
        }
    }
}
