//! A socket that can be left alone for a while.
//!
//! The runtime is woken for everything that arrives on a socket it watches, whether or not anybody reads. The server
//! sends each commit as it happens, and a wake-up for each of them takes the processor from whoever commits. A resting
//! socket is not watched: the kernel keeps what arrives until somebody reads or writes again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// What the server can be talked to over.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    /// Leaves the socket unwatched until it is next read from or written to.
    fn rest(&mut self) -> io::Result<()>;
}

/// A kind of socket that the runtime can stop watching.
pub(super) trait Watched: AsyncRead + AsyncWrite + Send + Unpin + Sized {
    /// The same socket, not watched.
    type Unwatched: Send + Unpin;

    fn unwatch(self) -> io::Result<Self::Unwatched>;
    fn watch(unwatched: Self::Unwatched) -> io::Result<Self>;
}

impl Watched for TcpStream {
    type Unwatched = std::net::TcpStream;

    fn unwatch(self) -> io::Result<Self::Unwatched> {
        self.into_std()
    }

    fn watch(unwatched: Self::Unwatched) -> io::Result<Self> {
        Self::from_std(unwatched)
    }
}

impl Watched for UnixStream {
    type Unwatched = std::os::unix::net::UnixStream;

    fn unwatch(self) -> io::Result<Self::Unwatched> {
        self.into_std()
    }

    fn watch(unwatched: Self::Unwatched) -> io::Result<Self> {
        Self::from_std(unwatched)
    }
}

/// A socket that may rest.
pub(super) enum Socket<S: Watched> {
    Awake(S),
    Resting(S::Unwatched),
    /// It could not be moved from one to the other.
    Lost,
}

impl<S: Watched> Socket<S> {
    fn awake(&mut self) -> io::Result<&mut S> {
        if let Self::Resting(_) = self
            && let Self::Resting(unwatched) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Awake(S::watch(unwatched)?);
        }
        match self {
            Self::Awake(socket) => Ok(socket),
            Self::Resting(_) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl<S: Watched> Io for Socket<S> {
    fn rest(&mut self) -> io::Result<()> {
        if let Self::Awake(_) = self
            && let Self::Awake(socket) = std::mem::replace(self, Self::Lost)
        {
            *self = Self::Resting(socket.unwatch()?);
        }
        Ok(())
    }
}

impl Io for TlsStream<Socket<TcpStream>> {
    fn rest(&mut self) -> io::Result<()> {
        self.get_mut().0.rest()
    }
}

impl<S: Watched> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().awake()?).poll_read(cx, into)
    }
}

impl<S: Watched> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().awake()?).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().awake()?).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().awake()?).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_arrives_while_a_socket_rests_is_read_when_it_wakes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        let mut socket = Socket::Awake(ours);
        let mut read = [0; 5];
        for round in 0_u8..3 {
            socket.rest().unwrap();
            socket.rest().unwrap();
            assert!(matches!(socket, Socket::Resting(_)), "round {round}");
            theirs.write_all(b"there").await.unwrap();
            socket.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"there", "round {round}");
            socket.rest().unwrap();
            socket.write_all(b"again").await.unwrap();
            theirs.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"again", "round {round}");
        }
    }
}
