//! The listening end of WebSocket connections, as small as the HTTP client: whole text frames in, one subscription out.

use crate::http::{Connection, request};
use crate::time::now;
use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open connection that is subscribed to all changes from now on.
#[derive(Debug)]
pub(crate) struct Listener {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// When the change of a record arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) record: i64,
    pub(crate) at: Instant,
}

impl Listener {
    /// Connects, subscribes and waits until the server says that it is live.
    pub(crate) async fn open(address: SocketAddr, path: &str, bearer: &str) -> anyhow::Result<Self> {
        let headers = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "YmVuY2hiZW5jaGJlbmNoIQ=="),
            ("authorization", bearer),
        ];
        let mut connection = Connection::open(address).await?;
        let answer = connection.call(&request("GET", path, &headers, b"")).await?;
        if answer.status != 101 {
            bail!("the server answered {} to a WebSocket", answer.status);
        }
        let (stream, buffer) = connection.into_stream(&answer);
        let mut listener = Self { stream, buffer };
        listener.send(br#"{"type":"subscribe","channel":"events"}"#).await?;
        let mut live = false;
        while !live {
            listener.read().await?;
            listener.frames(|text| live |= contains(text, br#""type":"live""#))?;
        }
        Ok(listener)
    }

    /// The changes that arrive until there are `wanted` of them or `until` has come.
    pub(crate) async fn listen(mut self, wanted: usize, until: Instant) -> anyhow::Result<Vec<Arrival>> {
        let mut arrivals = Vec::with_capacity(wanted);
        while arrivals.len() < wanted {
            match tokio::time::timeout_at(until.into(), self.read()).await {
                Ok(read) => read?,
                Err(_) => break,
            }
            let at = now();
            self.frames(|text| {
                if let Some(record) = record_id(text) {
                    arrivals.push(Arrival { record, at });
                }
            })?;
        }
        Ok(arrivals)
    }

    /// A short text; the protocol wants what clients send masked, and zeros mask as well as anything.
    async fn send(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("a text is too long")?;
        let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(text);
        self.stream.write_all(&frame).await.context("send a message")
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        self.buffer.reserve(16 * 1024);
        let read = self.stream.read_buf(&mut self.buffer).await.context("read a message")?;
        if read == 0 {
            bail!("the server closed a WebSocket");
        }
        Ok(())
    }

    /// Hands on the texts that have arrived whole, and keeps the rest.
    fn frames(&mut self, mut on_text: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut at = 0;
        while let Some((start, end)) = frame(&self.buffer, at) {
            match self.buffer[at] & 0x0f {
                1 => on_text(&self.buffer[start..end]),
                8 => bail!("the server closed a WebSocket: {}", String::from_utf8_lossy(&self.buffer[start..end])),
                _ => {}
            }
            at = end;
        }
        self.buffer.drain(..at);
        Ok(())
    }
}

/// Where the contents of the frame at `at` begin and end, if it is all there. Servers send unmasked.
fn frame(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let short = usize::from(*bytes.get(at + 1)? & 0x7f);
    let (start, length) = match short {
        126 => (at + 4, usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]))),
        127 => {
            let long: [u8; 8] = bytes.get(at + 2..at + 10)?.try_into().ok()?;
            (at + 10, usize::try_from(u64::from_be_bytes(long)).ok()?)
        }
        short => (at + 2, short),
    };
    (bytes.len() >= start + length).then_some((start, start + length))
}

fn record_id(text: &[u8]) -> Option<i64> {
    const FIELD: &[u8] = br#""record_id":"#;
    let start = text.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let digits = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[start..start + digits]).ok()?.parse().ok()
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_found_when_they_are_whole() {
        let long = [&[0x81, 126, 1, 0][..], &[b'x'; 256]].concat();
        assert_eq!(frame(&long, 0), Some((4, 260)));
        assert_eq!(frame(&long[..200], 0), None);
        assert_eq!(frame(&[0x81, 2, b'o', b'k', 0x81], 0), Some((2, 4)));
        assert_eq!(frame(&[0x81], 0), None);
    }

    #[test]
    fn the_record_of_a_notification_is_read() {
        assert_eq!(
            record_id(br#"{"type":"notification","data":{"id":5,"record_id":1234,"event":"write"}}"#),
            Some(1234)
        );
        assert_eq!(record_id(br#"{"type":"ping"}"#), None);
    }
}
