//! Taking in a row that is too large to keep: its large values are left out while it is read.
//!
//! A value can have a gigabyte (Odoo keeps attachments in the database if it is told so), and nothing of it is
//! needed. What is kept is a message of the same form, with a letter in the place of each large value.

use super::pgoutput::{Malformed, OMITTED};
use bytes::{Buf, Bytes, BytesMut};

/// The largest value of such a row that is kept, in bytes.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// What stands before a message in its frame: `w`, where it begins, where the log ends, the time.
pub(super) const FRAME_HEAD_BYTES: usize = 25;

/// The message's letter and the number of the table.
const ROW_HEAD_BYTES: usize = 5;

/// Takes in the content of one frame.
#[derive(Debug)]
pub(super) struct Slimmer {
    /// How much of the frame is still to come.
    left: usize,
    kept: BytesMut,
    at: At,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// Before the first row.
    Head,
    /// Before a row.
    Row,
    /// Before a value of a row that has so many left.
    Value(u16),
    /// Inside of a value that is left out, with so many bytes left; so many values follow.
    Omitted(usize, u16),
}

const CUT: Malformed = Malformed { what: "a large row that is cut off" };

impl Slimmer {
    /// For a frame with `length` bytes of content.
    pub(super) fn new(length: usize) -> Self {
        Self { left: length, kept: BytesMut::new(), at: At::Head }
    }

    /// Takes from `input` what is there, and answers the frame's content once it is complete.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        loop {
            let stepped = match self.at {
                At::Head => self.head(input)?,
                At::Row if self.left == 0 => return Ok(Some(self.kept.split().freeze())),
                At::Row => self.row(input)?,
                At::Value(0) => {
                    self.at = At::Row;
                    true
                }
                At::Value(count) => self.value(input, count)?,
                At::Omitted(0, count) => {
                    self.at = At::Value(count);
                    true
                }
                At::Omitted(bytes, count) => {
                    let skipped = bytes.min(input.len());
                    input.advance(skipped);
                    self.left -= skipped;
                    self.at = At::Omitted(bytes - skipped, count);
                    skipped > 0
                }
            };
            if !stepped {
                return Ok(None);
            }
        }
    }

    fn head(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let Some(head) = self.keep(input, FRAME_HEAD_BYTES + ROW_HEAD_BYTES)? else { return Ok(false) };
        if !matches!(head[FRAME_HEAD_BYTES], b'I' | b'U' | b'D') {
            return Err(Malformed { what: "a message that is too long" });
        }
        self.at = At::Row;
        Ok(true)
    }

    fn row(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        // Its kind and how many values it has.
        let Some(head) = self.keep(input, 3)? else { return Ok(false) };
        self.at = At::Value(u16::from_be_bytes([head[1], head[2]]));
        Ok(true)
    }

    fn value(&mut self, input: &mut BytesMut, count: u16) -> Result<bool, Malformed> {
        let Some(kind) = input.first().copied() else { return self.more_to_come() };
        let after = count - 1;
        if kind != b't' {
            self.keep(input, 1)?;
            self.at = At::Value(after);
            return Ok(true);
        }
        let Some(&[_, a, b, c, d]) = input.first_chunk() else { return self.more_to_come() };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length <= VALUE_BYTES_MAX {
            self.at = if self.keep(input, 5 + length)?.is_some() { At::Value(after) } else { return Ok(false) };
            return Ok(true);
        }
        self.left = self.left.checked_sub(5 + length).ok_or(CUT)? + length;
        input.advance(5);
        self.kept.extend_from_slice(&[OMITTED]);
        self.at = At::Omitted(length, after);
        Ok(true)
    }

    /// Keeps `count` bytes once they are there.
    fn keep(&mut self, input: &mut BytesMut, count: usize) -> Result<Option<Bytes>, Malformed> {
        if self.left < count {
            return Err(CUT);
        }
        if input.len() < count {
            return Ok(None);
        }
        let bytes = input.split_to(count).freeze();
        self.left -= count;
        self.kept.extend_from_slice(&bytes);
        Ok(Some(bytes))
    }

    /// Nothing can be done before more arrives, if more is to come.
    fn more_to_come(&self) -> Result<bool, Malformed> {
        if self.left == 0 { Err(CUT) } else { Ok(false) }
    }
}
