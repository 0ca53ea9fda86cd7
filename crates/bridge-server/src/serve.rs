//! The front door: takes connections in, and bounds how many there are and how slow they may be.

use crate::api::peer::Peer;
use crate::config::{self, ms};
use axum::Router;
use axum::body::Body;
use bridge_model::AddressBlock;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// The pause after a connection could not be taken in for lack of something, such as open files: connections that
/// end meanwhile give it back.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(200);

/// Serves connections until `stop`, and ends when the requests that were open then have been answered; connections
/// that wait for a request are closed at once. Connections that became WebSockets end by themselves.
pub async fn serve(listener: TcpListener, router: Router, settings: config::Server, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let header_timeout = ms(settings.header_timeout_ms);
    let proxies: Arc<[AddressBlock]> = settings.trusted_proxies.into();
    let connections = TaskTracker::new();
    loop {
        let (socket, address) = tokio::select! {
            () = stop.cancelled() => break,
            taken_in = take_in(&listener, &places) => taken_in,
        };
        let (router, proxies) = (router.clone(), Arc::clone(&proxies));
        connections.spawn(converse(socket, address, router, proxies, header_timeout, stop.clone()));
    }
    // Who comes now is refused at once and not left waiting.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection. While all places are taken, new ones wait with the operating system.
async fn take_in(listener: &TcpListener, places: &Arc<Semaphore>) -> (Socket, IpAddr) {
    let place = loop {
        match Arc::clone(places).acquire_owned().await {
            Ok(place) => break place,
            // Nobody closes it.
            Err(_closed) => std::future::pending().await,
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (Socket::new(stream, place), SocketAddr::ip(&peer)),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "take in a connection");
                tokio::time::sleep(SHORTAGE_PAUSE).await;
            }
        }
    }
}

/// Whether the error says that the connection ended before it was taken in.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection. It is closed when the head of a request, also of the first and of one
/// after a pause, is not there within `header_timeout`.
async fn converse(
    socket: Socket,
    address: IpAddr,
    router: Router,
    proxies: Arc<[AddressBlock]>,
    header_timeout: Duration,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        let peer = Peer::of(address, request.headers(), &proxies);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error = %error, "a connection ended");
    }
}

/// A connection with its place among those that may be open, which it keeps when it becomes a WebSocket.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl Socket {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        // Answers go out at once. Where this fails the connection is broken, and reading from it will tell.
        let _ = stream.set_nodelay(true);
        Self { stream, _place: place }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
