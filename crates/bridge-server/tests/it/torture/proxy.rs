//! The network between the service and the ERP, which can fall silent and be cut.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Net {
    Open,
    /// What is sent does not arrive, and nobody is told.
    Silent,
    /// Every connection is lost, and no new one is made.
    Cut,
}

/// Passes everything on to one address.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    net: watch::Sender<Net>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(to: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (net, seen) = watch::channel(Net::Open);
        let accepting = tokio::spawn(async move {
            loop {
                let (from, _) = listener.accept().await.unwrap();
                tokio::spawn(connection(from, to.clone(), seen.clone()));
            }
        });
        Self { address, net, accepting }
    }

    pub(crate) fn set(&self, net: Net) {
        self.net.send_replace(net);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes one connection on until either end closes it or the network is cut.
async fn connection(from: TcpStream, to: String, net: watch::Receiver<Net>) {
    if *net.borrow() == Net::Cut {
        return;
    }
    let Ok(to) = TcpStream::connect(to).await else { return };
    let (Ok(()), Ok(())) = (from.set_nodelay(true), to.set_nodelay(true)) else { return };
    let ((from_read, from_write), (to_read, to_write)) = (from.into_split(), to.into_split());
    let mut cut = net.clone();
    tokio::select! {
        () = pass(from_read, to_write, net.clone()) => {}
        () = pass(to_read, from_write, net) => {}
        _ = cut.wait_for(|net| *net == Net::Cut) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut net: watch::Receiver<Net>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        if count == 0 || net.wait_for(|net| *net != Net::Silent).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
