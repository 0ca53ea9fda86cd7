//! A small HTTP/1.1 client: ready-made request bytes out, the few facts of an answer in. It understands what the
//! measured servers send and no more, so that driving costs little.

use anyhow::{Context as _, bail};
use serde_json::Value;
use std::net::SocketAddr;
use std::ops::Range;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request as bytes.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if method != "GET" {
        bytes.extend_from_slice(
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()).as_bytes(),
        );
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// A connection that stays open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; its body is in the connection until the next call.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Range<usize>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true).context("set an option of a socket")?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.buffer.clear();
        self.stream.write_all(request).await.context("send a request")?;
        loop {
            if let Some(head_end) = find(&self.buffer, b"\r\n\r\n") {
                let (status, length) = head(&self.buffer[..head_end])?;
                let body = head_end + 4..head_end + 4 + length;
                while self.buffer.len() < body.end {
                    self.read().await?;
                }
                return Ok(Answer { status, body });
            }
            self.read().await?;
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self, answer: &Answer) -> &[u8] {
        &self.buffer[answer.body.clone()]
    }

    /// The stream, once an answer says that HTTP is over, and what has arrived after that answer.
    pub(crate) fn into_stream(self, answer: &Answer) -> (TcpStream, Vec<u8>) {
        (self.stream, self.buffer[answer.body.start..].to_vec())
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.context("read an answer")?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// One call with a JSON answer, on a connection of its own; a status of 400 or more is an error.
pub(crate) async fn call_json(address: SocketAddr, request: &[u8]) -> anyhow::Result<Value> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.call(request).await?;
    let body = connection.body(&answer);
    if answer.status >= 400 {
        bail!("the server answered {}: {}", answer.status, String::from_utf8_lossy(body));
    }
    serde_json::from_slice(body).context("read a JSON answer")
}

fn head(bytes: &[u8]) -> anyhow::Result<(u16, usize)> {
    let text = std::str::from_utf8(bytes).context("read the head of an answer")?;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok()).context("read the status of an answer")?;
    let length = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(Ok(0), str::parse)
        .context("read the length of an answer")?;
    Ok((status, length))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_gives_status_and_length() {
        let (status, length) = head(b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\nx-request-id: 1").unwrap();
        assert_eq!((status, length), (200, 17));
        assert_eq!(head(b"HTTP/1.1 101 Switching Protocols").unwrap(), (101, 0));
        assert!(head(b"nonsense").is_err());
    }
}
