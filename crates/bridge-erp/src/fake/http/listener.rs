//! Connections that can be broken on purpose.

use super::super::Shared;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A listener whose connections end when the ERP stops, and reset when a fault asks for it.
pub(in crate::fake) struct Door {
    pub(in crate::fake) listener: TcpListener,
    pub(in crate::fake) shared: Arc<Shared>,
    pub(in crate::fake) stop: CancellationToken,
}

/// The way for a handler to reset the connection that it answers on.
#[derive(Debug, Clone, Default)]
pub(in crate::fake) struct Peer(Arc<AtomicBool>);

impl Peer {
    /// From now on, nothing more goes over this connection.
    pub(in crate::fake) fn reset(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_reset(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = Peer;

    async fn accept(&mut self) -> (Wire, Peer) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if self.shared.faults.refuses() => drop_hard(&stream),
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let peer = Peer::default();
                    let stopped = Box::pin(self.stop.clone().cancelled_owned());
                    return (Wire { stream, peer: peer.clone(), stopped }, peer);
                }
                // Out of file descriptors, most likely: others may be closed meanwhile.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::default())
    }
}

/// A connection.
pub(in crate::fake) struct Wire {
    stream: TcpStream,
    peer: Peer,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Makes the close of a connection a reset, so that the other side sees an error and not an end.
fn drop_hard(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

impl Wire {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.peer.is_reset() || self.stopped.as_mut().poll(cx).is_ready() {
            drop_hard(&self.stream);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
