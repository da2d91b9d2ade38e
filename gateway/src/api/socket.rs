//! A socket that notes what happens on it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::activity::Activity;

/// Most bytes that are thrown away for a client that is still sending when its connection is to close.
const MAX_DISCARD: usize = 4 << 20;

/// The socket of one connection.
pub(super) struct Socket {
    stream: TcpStream,
    activity: Arc<Activity>,
    phase: Phase,
}

enum Phase {
    /// Nothing has come yet.
    New,
    Open,
    /// Our side is closed; so many bytes have been thrown away.
    Discarding(usize),
}

impl Socket {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, phase: Phase::New }
    }

    /// Reads and throws away until the client has closed too. Closing a socket with unread bytes resets it, and the
    /// client could lose the response that says why.
    fn poll_discard(&mut self, cx: &mut Context<'_>, mut discarded: usize) -> Poll<()> {
        let mut memory = [std::mem::MaybeUninit::uninit(); 8_192];
        while discarded < MAX_DISCARD {
            let mut buffer = ReadBuf::uninit(&mut memory);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => discarded += buffer.filled().len(),
                _ => break,
            }
            self.phase = Phase::Discarding(discarded);
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            if matches!(this.phase, Phase::New) {
                this.phase = Phase::Open;
                // The preface of HTTP/2 starts so, and no method of HTTP/1.1 that we know does.
                if read.starts_with(b"PRI") {
                    this.activity.multiplexes();
                }
            }
            this.activity.received();
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        self.activity.moved();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        self.activity.moved();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Phase::Discarding(discarded) = this.phase {
            return this.poll_discard(cx, discarded).map(Ok);
        }
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        if !this.activity.body_left() {
            return Poll::Ready(Ok(()));
        }
        // From here on the time limit of a head applies: the client owes us its end.
        this.activity.received();
        this.phase = Phase::Discarding(0);
        this.poll_discard(cx, 0).map(Ok)
    }
}
