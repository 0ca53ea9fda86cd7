//! The log as it flows: a task that reads from the socket, hands on what it has read in bounded pieces, and tells the
//! server how far it may forget. It tells so in time also while nobody takes the pieces.

use super::connection::{Connection, Target, refusal};
use super::error::{closed, too_slow, unreadable};
use super::lsn::Lsn;
use super::pgoutput::Malformed;
use super::slim::{FRAME_HEAD_BYTES, Slimmer};
use crate::odoo::database::DatabaseError;
use bridge_model::{Clock, Timestamp};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::message::backend::{self, Message};
use postgres_protocol::message::frontend::CopyData;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The largest frame that is kept whole, in bytes; of a larger one the large values are left out.
const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// A piece is handed on when it has this many bytes, or when nothing more has arrived.
const PIECE_BYTES: usize = 256 * 1024;

/// How many pieces may wait to be taken.
const PIECES_MAX: usize = 8;

/// After a small piece nothing is read for this long, and the socket rests: what comes meanwhile becomes one piece.
/// Otherwise each commit in the database would wake us and be made durable by itself, and the processor and the disk are
/// often the database's own.
const GATHER_INTERVAL: Duration = Duration::from_millis(25);

/// After a piece with more bytes than this there is no such pause: we are behind.
const GATHER_BYTES_MAX: usize = 32 * 1024;

/// The shortest time between two confirmations.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(100);

/// A part of the log.
#[derive(Debug, Default)]
pub struct Piece {
    /// The messages, as `pgoutput` wrote them.
    pub messages: Vec<Bytes>,
    /// Everything that was committed before this place has been handed on with this piece, if the server has said so.
    pub complete_to: Option<Lsn>,
    /// Where the server's log ends, as last told.
    pub server_end: Lsn,
}

/// The log, from where the slot stands.
#[derive(Debug)]
pub struct Stream {
    pieces: mpsc::Receiver<Result<Piece, DatabaseError>>,
    confirmed: watch::Sender<Lsn>,
    asked: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Closes the socket, so that the slot is free for the next one.
        self.task.abort();
    }
}

impl Stream {
    /// Begins to read through `slot` what `publication` publishes. `clock` tells the times that the server is told.
    ///
    /// The error's `sql_state` is `55006` if somebody else reads through the slot, `42704` if there is no such slot.
    pub async fn start(
        target: &Target,
        slot: &str,
        publication: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DatabaseError> {
        let mut connection = Connection::open(target).await?;
        let publication = publication.replace('"', "\"\"").replace('\'', "''");
        let slot = slot.replace('"', "\"\"");
        // The place is that of the slot: what was read above it and not confirmed is sent again.
        let command = format!(
            "START_REPLICATION SLOT \"{slot}\" LOGICAL 0/0 (proto_version '1', publication_names '\"{publication}\"')"
        );
        connection.start(&command).await?;
        let (hand_on, pieces) = mpsc::channel(PIECES_MAX);
        let (confirmed, to_confirm) = watch::channel(Lsn::default());
        let status_interval = target.sender_timeout / 3;
        let silence_max = target.sender_timeout;
        let asked = Arc::new(Notify::new());
        let mut reader = Reader {
            connection,
            asked: Arc::clone(&asked),
            hand_on,
            to_confirm,
            clock,
            status_interval,
            silence_max,
            told: Lsn::default(),
            told_at: Instant::now(),
            heard_at: Instant::now(),
            server_end: Lsn::default(),
            slimmer: None,
            read_from: Instant::now(),
        };
        let task = tokio::spawn(async move {
            if let Err(error) = reader.run().await {
                // Nobody left to tell is no failure.
                let _ = reader.hand_on.send(Err(error)).await;
            }
        });
        Ok(Self { pieces, confirmed, asked, task })
    }

    /// The next part of the log. May be dropped at any time without losing anything. An error is the end.
    pub async fn next(&mut self) -> Result<Piece, DatabaseError> {
        self.pieces.recv().await.unwrap_or_else(|| Err(closed()))
    }

    /// Asks the server to say how far everything that was committed has been sent.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Everything before `place` is durable on our side: the server may forget it. A lower place than before changes
    /// nothing.
    pub fn confirm(&self, place: Lsn) {
        self.confirmed.send_if_modified(|confirmed| {
            let is_later = place > *confirmed;
            *confirmed = place.max(*confirmed);
            is_later
        });
    }
}

struct Reader {
    connection: Connection,
    hand_on: mpsc::Sender<Result<Piece, DatabaseError>>,
    to_confirm: watch::Receiver<Lsn>,
    asked: Arc<Notify>,
    clock: Arc<dyn Clock>,
    /// The longest time between two words to the server.
    status_interval: Duration,
    /// After how long without a word from the server the connection counts as cut.
    silence_max: Duration,
    /// What the server was last told, and when.
    told: Lsn,
    told_at: Instant,
    /// When something was last read.
    heard_at: Instant,
    server_end: Lsn,
    /// Takes in a frame that is too large to keep, while one arrives.
    slimmer: Option<Slimmer>,
    /// Before this nothing is read.
    read_from: Instant,
}

/// What a frame is.
enum Frame {
    Message(Bytes),
    /// The server has sent everything that was committed before this place, and may want an answer at once.
    Alive {
        end: Lsn,
        answer: bool,
    },
}

impl Reader {
    async fn run(&mut self) -> Result<(), DatabaseError> {
        loop {
            let piece = self.collect().await?;
            if piece.messages.is_empty() && piece.complete_to.is_none() {
                if !self.wait().await? {
                    return Ok(());
                }
            } else if !self.deliver(piece).await? {
                return Ok(());
            }
        }
    }

    /// What the buffer holds, up to the size of a piece.
    async fn collect(&mut self) -> Result<Piece, DatabaseError> {
        let (mut piece, mut bytes) = (Piece::default(), 0);
        while bytes < PIECE_BYTES {
            match self.frame()? {
                None => break,
                Some(Frame::Message(message)) => {
                    bytes += message.len();
                    piece.messages.push(message);
                    piece.complete_to = None;
                }
                Some(Frame::Alive { end, answer }) => {
                    piece.complete_to = Some(end);
                    if answer {
                        self.tell().await?;
                    }
                }
            }
        }
        piece.server_end = self.server_end;
        Ok(piece)
    }

    /// Reads more, and tells the server what is due. False: nobody listens any more.
    async fn wait(&mut self) -> Result<bool, DatabaseError> {
        let due = self.due();
        let silent_at = self.heard_at + self.silence_max;
        let read_from = self.read_from;
        let read = async {
            sleep_until(read_from).await;
            self.connection.read_more().await
        };
        tokio::select! {
            read = read => {
                read?;
                self.heard_at = Instant::now();
            }
            () = sleep_until(due) => self.tell().await?,
            () = self.asked.notified() => self.tell().await?,
            changed = self.to_confirm.changed() => return Ok(changed.is_ok()),
            () = sleep_until(silent_at) => return Err(too_slow()),
        }
        Ok(true)
    }

    /// Hands a piece on, and meanwhile tells the server what is due. False: nobody listens any more.
    async fn deliver(&mut self, piece: Piece) -> Result<bool, DatabaseError> {
        let hand_on = self.hand_on.clone();
        let permit = loop {
            let due = self.due();
            tokio::select! {
                permit = hand_on.reserve() => match permit {
                    Ok(permit) => break permit,
                    Err(_) => return Ok(false),
                },
                () = sleep_until(due) => self.tell().await?,
            }
        };
        let bytes: usize = piece.messages.iter().map(Bytes::len).sum();
        self.read_from = Instant::now();
        if bytes > 0 && bytes <= GATHER_BYTES_MAX {
            self.read_from += GATHER_INTERVAL;
            self.connection.rest()?;
        }
        permit.send(Ok(piece));
        // Nothing was read meanwhile, which is no silence of the server.
        self.heard_at = Instant::now();
        Ok(true)
    }

    /// When the server is to be told something next: soon if there is more to confirm, else before it gives us up.
    fn due(&self) -> Instant {
        let news = *self.to_confirm.borrow() > self.told;
        self.told_at + if news { CONFIRM_INTERVAL } else { self.status_interval }
    }

    /// Tells the server how far it may forget.
    async fn tell(&mut self) -> Result<(), DatabaseError> {
        let place = *self.to_confirm.borrow_and_update();
        let now = since_2000(self.clock.now());
        self.connection
            .send(|buffer| {
                let mut status = BytesMut::with_capacity(34);
                status.put_u8(b'r');
                for _ in ["written", "durable", "applied"] {
                    status.put_u64(place.0);
                }
                status.put_i64(now);
                // Asks for an answer, by which a dead connection is told from a quiet one.
                status.put_u8(1);
                CopyData::new(status.freeze())?.write(buffer);
                Ok(())
            })
            .await?;
        self.told = place;
        self.told_at = Instant::now();
        Ok(())
    }

    /// The next frame, if the buffer holds it whole.
    fn frame(&mut self) -> Result<Option<Frame>, DatabaseError> {
        loop {
            let buffer = &mut self.connection.buffer;
            let content = if let Some(slimmer) = &mut self.slimmer {
                let Some(content) = slimmer.take(buffer)? else { return Ok(None) };
                self.slimmer = None;
                content
            } else {
                let Some(header) = backend::Header::parse(buffer).map_err(unreadable)? else { return Ok(None) };
                let length = usize::try_from(header.len()).unwrap_or_default();
                match header.tag() {
                    backend::COPY_DATA_TAG if length > FRAME_BYTES_MAX => {
                        buffer.advance(5);
                        self.slimmer = Some(Slimmer::new(length - 4));
                        continue;
                    }
                    _ if length > FRAME_BYTES_MAX => {
                        return Err(Malformed { what: "a message that is too long" }.into());
                    }
                    _ if buffer.len() <= length => return Ok(None),
                    backend::COPY_DATA_TAG => {
                        buffer.advance(5);
                        buffer.split_to(length - 4).freeze()
                    }
                    _ => {
                        self.aside()?;
                        continue;
                    }
                }
            };
            return self.content(content).map(Some);
        }
    }

    /// A message beside the log: an error ends it, anything else changes nothing.
    fn aside(&mut self) -> Result<(), DatabaseError> {
        match Message::parse(&mut self.connection.buffer).map_err(unreadable)? {
            Some(Message::ErrorResponse(body)) => Err(refusal(body.fields())),
            Some(Message::CopyDone) => Err(closed()),
            _ => Ok(()),
        }
    }

    fn content(&mut self, mut content: Bytes) -> Result<Frame, DatabaseError> {
        const CUT: Malformed = Malformed { what: "a frame that is cut off" };
        match content.first() {
            Some(b'w') if content.len() >= FRAME_HEAD_BYTES => {
                content.advance(9);
                self.server_end = self.server_end.max(Lsn(content.get_u64()));
                content.advance(8);
                Ok(Frame::Message(content))
            }
            Some(b'k') if content.len() == 18 => {
                content.advance(1);
                let end = Lsn(content.get_u64());
                content.advance(8);
                self.server_end = self.server_end.max(end);
                Ok(Frame::Alive { end, answer: content.get_u8() == 1 })
            }
            _ => Err(CUT.into()),
        }
    }
}

/// A time as PostgreSQL's protocol has it: microseconds since 2000.
fn since_2000(time: Timestamp) -> i64 {
    time.as_micros().saturating_sub(super::pgoutput::time_of(0).as_micros())
}
