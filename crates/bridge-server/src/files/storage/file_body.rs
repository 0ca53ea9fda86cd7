//! A part of a file as the body of a message, read while it is sent.

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::{JoinHandle, spawn_blocking};

/// How much is read at once, in bytes.
const PIECE_BYTES: u64 = 64 * 1024;

/// A part of a file. A file that ends before is an error, so that nobody takes what came for the whole.
#[derive(Debug)]
pub(super) struct FileBody {
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl FileBody {
    /// This part of the file, wherever others read in it.
    pub(super) fn new(file: Arc<File>, part: Range<u64>) -> Self {
        Self { file, left: part, reading: None }
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { file, left, reading } = &mut *self;
        if left.is_empty() {
            return Poll::Ready(None);
        }
        let under_way = reading.get_or_insert_with(|| {
            let (file, at, wanted) = (Arc::clone(file), left.start, PIECE_BYTES.min(left.end - left.start));
            spawn_blocking(move || read(&file, at, wanted))
        });
        let outcome = ready!(Pin::new(under_way).poll(task));
        *reading = None;
        let piece = outcome.map_err(io::Error::other)??;
        if piece.is_empty() {
            return Poll::Ready(Some(Err(ErrorKind::UnexpectedEof.into())));
        }
        left.start += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end.saturating_sub(self.left.start))
    }
}

fn read(file: &File, at: u64, wanted: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; usize::try_from(wanted).map_err(io::Error::other)?];
    let read = file.read_at(&mut piece, at)?;
    piece.truncate(read);
    Ok(piece)
}
