use super::{CAPTURED, bytes};
use crate::odoo::database::wal::pgoutput::{Message, Old, Value, read};
use crate::odoo::database::wal::slim::{FRAME_HEAD_BYTES, Slimmer};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

/// A row with these values, `None` for NULL, behind the letter of its kind.
fn row(kind: u8, values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut row = vec![kind];
    row.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        match value {
            None => row.push(b'n'),
            Some(value) => {
                row.push(b't');
                row.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                row.extend(*value);
            }
        }
    }
    row
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![b'w'];
    frame.resize(FRAME_HEAD_BYTES, 0);
    frame.extend(message);
    frame
}

/// What is kept of a frame that arrives in parts of this size.
fn slimmed(frame: &[u8], part: usize) -> Bytes {
    let (mut slimmer, mut input) = (Slimmer::new(frame.len()), BytesMut::new());
    for part in frame.chunks(part) {
        input.extend_from_slice(part);
        if let Some(content) = slimmer.take(&mut input).unwrap() {
            return content;
        }
    }
    panic!("the frame is not complete")
}

#[test]
fn large_values_are_left_out_and_the_others_stay() {
    let large = vec![b'x'; 100_000];
    let mut message = vec![b'U', 0, 0, 0, 9];
    message.extend(row(b'O', &[Some(b"1"), Some(&large), None]));
    message.extend(row(b'N', &[Some(b"1"), Some(b"small"), Some(&large)]));
    let frame = frame(&message);
    for part in [1, 7, 1_000, frame.len()] {
        let content = slimmed(&frame, part);
        assert!(content.len() < 100, "{} bytes are kept", content.len());
        let old = Some(Old::Full(vec![Value::Text(b"1"), Value::Omitted, Value::Null]));
        let new = vec![Value::Text(b"1"), Value::Text(b"small"), Value::Omitted];
        assert_eq!(read(&content[FRAME_HEAD_BYTES..]), Ok(Message::Update { relation: 9, old, new }));
    }
}

#[test]
fn only_rows_can_be_large() {
    let mut input = BytesMut::from(frame(&bytes(CAPTURED[1])).as_slice());
    assert!(Slimmer::new(input.len()).take(&mut input).is_err());
}

proptest! {
    #[test]
    fn what_is_small_comes_out_as_it_went_in(which in proptest::sample::select(vec![2, 3, 4, 7, 13, 14]), part in 1..60_usize) {
        let frame = frame(&bytes(CAPTURED[which]));
        let content = slimmed(&frame, part);
        prop_assert_eq!(content.as_ref(), frame.as_slice());
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut rest in proptest::collection::vec(any::<u8>(), 0..300),
        length in 0..400_usize,
        part in 1..60_usize,
    ) {
        let mut content = frame(b"I\0\0\0\x01N");
        content.append(&mut rest);
        let (mut slimmer, mut input) = (Slimmer::new(length), BytesMut::new());
        for part in content.chunks(part) {
            input.extend_from_slice(part);
            match slimmer.take(&mut input) {
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => break,
            }
        }
    }
}
