use super::{CAPTURED, bytes};
use crate::odoo::database::wal::Lsn;
use crate::odoo::database::wal::pgoutput::{Column, Malformed, Message, Old, Relation, ReplicaIdentity, Value, read};
use bridge_model::Timestamp;
use proptest::prelude::*;

fn text(text: &str) -> Value<'_> {
    Value::Text(text.as_bytes())
}

#[test]
fn a_transaction_has_its_place_and_time() {
    let (begin, commit) = (bytes(CAPTURED[0]), bytes(CAPTURED[5]));
    let at = Timestamp::parse_rfc3339("2026-11-22T06:54:37.515301Z").unwrap();
    let place = Lsn(0x0153_E0B8);
    assert_eq!(read(&begin), Ok(Message::Begin { commit: place, committed_at: at, transaction: 733 }));
    assert_eq!(read(&commit), Ok(Message::Commit { commit: place, end: Lsn(0x0153_E0E8), committed_at: at }));
}

#[test]
fn a_table_is_described_with_its_key() {
    let column = |name: &str, is_key, type_id| Column { name: name.to_owned(), is_key, type_id };
    let relation = |id, table: &str, identity, columns| {
        Ok(Message::Relation(Relation { id, schema: "public".to_owned(), table: table.to_owned(), identity, columns }))
    };
    let columns = vec![
        column("id", true, 23),
        column("name", false, 1043),
        column("note", false, 25),
        column("create_uid", false, 23),
        column("write_uid", false, 23),
    ];
    assert_eq!(read(&bytes(CAPTURED[1])), relation(0x4001, "res_partner", ReplicaIdentity::Default, columns));
    let columns = vec![column("a_id", true, 23), column("b_id", true, 23)];
    assert_eq!(read(&bytes(CAPTURED[6])), relation(0x4009, "rel", ReplicaIdentity::Default, columns));
    let columns = vec![column("id", true, 23), column("name", true, 25), column("note", true, 25)];
    assert_eq!(read(&bytes(CAPTURED[12])), relation(0x4018, "whole", ReplicaIdentity::Full, columns));
}

#[test]
fn rows_are_read_as_far_as_the_database_writes_them() {
    let insert = bytes(CAPTURED[7]);
    assert_eq!(read(&insert), Ok(Message::Insert { relation: 0x4009, new: vec![text("1"), text("2")] }));
    // The large note was not changed, and is not sent.
    let update = bytes(CAPTURED[2]);
    let new = vec![text("1"), text("Âzur"), Value::Unchanged, text("2"), Value::Null];
    assert_eq!(read(&update), Ok(Message::Update { relation: 0x4001, old: None, new }));
    let moved = bytes(CAPTURED[3]);
    let new = vec![text("7"), text("Âzur"), Value::Unchanged, text("2"), Value::Null];
    let key = |id| vec![text(id), Value::Null, Value::Null, Value::Null, Value::Null];
    assert_eq!(read(&moved), Ok(Message::Update { relation: 0x4001, old: Some(Old::Key(key("1"))), new }));
    let delete = bytes(CAPTURED[4]);
    assert_eq!(read(&delete), Ok(Message::Delete { relation: 0x4001, old: Old::Key(key("7")) }));
}

#[test]
fn a_table_with_whole_old_rows_tells_them() {
    let update = bytes(CAPTURED[13]);
    let old = Some(Old::Full(vec![text("1"), text("a"), text("xxx")]));
    let new = vec![text("1"), text("b"), Value::Unchanged];
    assert_eq!(read(&update), Ok(Message::Update { relation: 0x4018, old, new }));
    let delete = bytes(CAPTURED[14]);
    let old = Old::Full(vec![text("1"), text("b"), text("xxx")]);
    assert_eq!(read(&delete), Ok(Message::Delete { relation: 0x4018, old }));
}

#[test]
fn what_concerns_no_row_is_read_as_well() {
    assert_eq!(read(&bytes(CAPTURED[15])), Ok(Message::Truncate { relations: vec![0x4009, 0x4013] }));
    assert_eq!(read(&bytes(CAPTURED[9])), Ok(Message::Type));
    assert_eq!(read(&bytes(CAPTURED[16])), Ok(Message::Emitted { transactional: true, prefix: "bc" }));
    assert_eq!(read(&bytes(CAPTURED[17])), Ok(Message::Origin));
}

#[test]
fn a_message_that_is_cut_off_or_too_long_is_refused() {
    for captured in CAPTURED {
        let whole = bytes(captured);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{captured} up to {end}");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(read(&longer), Err(Malformed { what: "a message with bytes left over" }), "{captured}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_bytes_behind_a_known_letter_make_it_panic(
        letter in proptest::sample::select(b"BCORYIUDTM".to_vec()),
        mut rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        rest.insert(0, letter);
        let _ = read(&rest);
    }

    #[test]
    fn no_change_of_a_real_message_makes_it_panic(
        which in 0..CAPTURED.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut message = bytes(CAPTURED[which]);
        for (place, byte) in changes {
            let place = place.index(message.len());
            message[place] = byte;
        }
        let _ = read(&message);
    }
}
