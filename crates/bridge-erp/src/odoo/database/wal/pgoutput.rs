//! What PostgreSQL's `pgoutput` plugin writes, protocol version 1 (PostgreSQL 10 and later): a pure reader of bytes.
//!
//! Transactions arrive whole, one after the other, in the order of their commits; those that were rolled back never
//! do. Streaming of unfinished transactions and two-phase commit belong to later versions of the protocol and are
//! not asked for. Values stay where they are in the bytes: most of them are never looked at.

use super::lsn::Lsn;
use bridge_model::Timestamp;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// A transaction begins.
    Begin {
        /// Where it was committed; the same in its [`Message::Commit`].
        commit: Lsn,
        /// When it was committed, by the database's clock.
        committed_at: Timestamp,
        /// Its number.
        transaction: u32,
    },
    /// The transaction is complete.
    Commit {
        /// Where it was committed.
        commit: Lsn,
        /// Where the next thing in the log begins: all up to here was seen.
        end: Lsn,
        /// When it was committed.
        committed_at: Timestamp,
    },
    /// The transaction came to this database from another one.
    Origin,
    /// What a table looks like; sent before its first row, and again whenever it has changed.
    Relation(Relation),
    /// The name of a type; not used here.
    Type,
    /// A row was added.
    Insert {
        /// The table's number.
        relation: u32,
        /// The row.
        new: Row<'a>,
    },
    /// A row was changed.
    Update {
        /// The table's number.
        relation: u32,
        /// The row before, if its key has changed or the table keeps whole old rows.
        old: Option<Old<'a>>,
        /// The row after.
        new: Row<'a>,
    },
    /// A row was removed.
    Delete {
        /// The table's number.
        relation: u32,
        /// The row before.
        old: Old<'a>,
    },
    /// Tables were emptied.
    Truncate {
        /// Their numbers.
        relations: Vec<u32>,
    },
    /// Something that a session wrote into the log by hand (`pg_logical_emit_message`).
    Emitted {
        /// Whether it belongs to the transaction around it.
        transactional: bool,
        /// What it is about, as its writer says.
        prefix: &'a str,
    },
}

/// What a table looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The table's number in the database; another one once the table was made anew.
    pub id: u32,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// How much of an old row is written.
    pub identity: ReplicaIdentity,
    /// The columns, in the order in which rows have them.
    pub columns: Vec<Column>,
}

/// How much of an old row the database writes into its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key.
    Default,
    /// Nothing: changes and deletes of such a table can't be published.
    Nothing,
    /// The whole row.
    Full,
    /// The columns of an index.
    Index,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it belongs to the key.
    pub is_key: bool,
    /// The number of its type.
    pub type_id: u32,
}

/// The values of a row, one for each column.
pub type Row<'a> = Vec<Value<'a>>;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL, or, in a row that consists of its key, a column outside of the key.
    Null,
    /// A large value that is stored apart and was not changed; it is not sent.
    Unchanged,
    /// A value that was larger than is kept; it was left out on our side while reading.
    Omitted,
    /// The value as text.
    Text(&'a [u8]),
}

/// A row as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Old<'a> {
    /// Its key alone.
    Key(Row<'a>),
    /// All of it.
    Full(Row<'a>),
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database's log sent something of another form than it should: {what}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
}

/// Stands in a message in place of a value that was left out while reading, where PostgreSQL has its own letters.
pub(super) const OMITTED: u8 = b'o';

/// Reads one message.
pub fn read(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    let mut rest = Rest(bytes);
    let message = match rest.byte()? {
        b'B' => Message::Begin { commit: Lsn(rest.u64()?), committed_at: rest.time()?, transaction: rest.u32()? },
        b'C' => {
            rest.byte()?;
            Message::Commit { commit: Lsn(rest.u64()?), end: Lsn(rest.u64()?), committed_at: rest.time()? }
        }
        b'O' => {
            rest.u64()?;
            rest.text()?;
            Message::Origin
        }
        b'R' => Message::Relation(relation(&mut rest)?),
        b'Y' => {
            rest.u32()?;
            rest.text()?;
            rest.text()?;
            Message::Type
        }
        b'I' => {
            let relation = rest.u32()?;
            rest.expect(b'N', "an added row without its values")?;
            Message::Insert { relation, new: row(&mut rest)? }
        }
        b'U' => update(&mut rest)?,
        b'D' => {
            let relation = rest.u32()?;
            let kind = rest.byte()?;
            Message::Delete { relation, old: old(kind, &mut rest)? }
        }
        b'T' => truncate(&mut rest)?,
        b'M' => {
            let transactional = rest.byte()? & 1 == 1;
            rest.u64()?;
            let prefix = rest.text()?;
            let length = rest.u32()?;
            rest.take(length as usize)?;
            Message::Emitted { transactional, prefix }
        }
        _ => return Err(Malformed { what: "an unknown kind of message" }),
    };
    if rest.0.is_empty() { Ok(message) } else { Err(Malformed { what: "a message with bytes left over" }) }
}

fn relation(rest: &mut Rest<'_>) -> Result<Relation, Malformed> {
    let (id, schema, table) = (rest.u32()?, rest.text()?.to_owned(), rest.text()?.to_owned());
    let identity = match rest.byte()? {
        b'd' => ReplicaIdentity::Default,
        b'n' => ReplicaIdentity::Nothing,
        b'f' => ReplicaIdentity::Full,
        b'i' => ReplicaIdentity::Index,
        _ => return Err(Malformed { what: "an unknown replica identity" }),
    };
    let count = rest.u16()?;
    let mut columns = Vec::with_capacity(rest.room_for(count));
    for _ in 0..count {
        let is_key = rest.byte()? & 1 == 1;
        let name = rest.text()?.to_owned();
        let type_id = rest.u32()?;
        rest.u32()?; // the type's modifier
        columns.push(Column { name, is_key, type_id });
    }
    // The catalog's own schema is written as an empty name.
    let schema = if schema.is_empty() { "pg_catalog".to_owned() } else { schema };
    Ok(Relation { id, schema, table, identity, columns })
}

fn update<'a>(rest: &mut Rest<'a>) -> Result<Message<'a>, Malformed> {
    let relation = rest.u32()?;
    let before = match rest.byte()? {
        b'N' => None,
        kind => {
            let before = old(kind, rest)?;
            rest.expect(b'N', "a changed row without its new values")?;
            Some(before)
        }
    };
    Ok(Message::Update { relation, old: before, new: row(rest)? })
}

fn truncate<'a>(rest: &mut Rest<'a>) -> Result<Message<'a>, Malformed> {
    let count = rest.u32()? as usize;
    rest.byte()?; // CASCADE, RESTART IDENTITY
    if rest.0.len() / 4 < count {
        return Err(Malformed { what: "fewer emptied tables than announced" });
    }
    let relations = (0..count).map(|_| rest.u32()).collect::<Result<_, _>>()?;
    Ok(Message::Truncate { relations })
}

fn old<'a>(kind: u8, rest: &mut Rest<'a>) -> Result<Old<'a>, Malformed> {
    match kind {
        b'K' => row(rest).map(Old::Key),
        b'O' => row(rest).map(Old::Full),
        _ => Err(Malformed { what: "an old row of an unknown kind" }),
    }
}

fn row<'a>(rest: &mut Rest<'a>) -> Result<Row<'a>, Malformed> {
    let count = rest.u16()?;
    let mut values = Vec::with_capacity(rest.room_for(count));
    for _ in 0..count {
        values.push(match rest.byte()? {
            b'n' => Value::Null,
            b'u' => Value::Unchanged,
            OMITTED => Value::Omitted,
            b't' => {
                let length = rest.u32()?;
                Value::Text(rest.take(length as usize)?)
            }
            _ => return Err(Malformed { what: "a value of an unknown kind" }),
        });
    }
    Ok(values)
}

/// Microseconds between 1970, where our times begin, and 2000, where PostgreSQL's do.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// A time as PostgreSQL writes it in its protocols.
pub(super) fn time_of(micros_since_2000: i64) -> Timestamp {
    Timestamp::from_micros(micros_since_2000.saturating_add(EPOCH_2000_US))
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed { what: "a message that is cut off" })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed { what: "a message that is cut off" })?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, Malformed> {
        self.array().map(i64::from_be_bytes).map(time_of)
    }

    /// A text that ends with a zero byte.
    fn text(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed { what: "a name without an end" })?;
        let text = self.take(end)?;
        self.byte()?;
        std::str::from_utf8(text).map_err(|_| Malformed { what: "a name that is no UTF-8" })
    }

    fn expect(&mut self, letter: u8, what: &'static str) -> Result<(), Malformed> {
        if self.byte()? == letter { Ok(()) } else { Err(Malformed { what }) }
    }

    /// How many of the announced things to make room for: each takes a byte at least, so that no announcement
    /// reserves more than was sent.
    fn room_for(&self, announced: u16) -> usize {
        usize::from(announced).min(self.0.len())
    }
}
