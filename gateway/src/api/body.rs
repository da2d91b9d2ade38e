//! Reading a request's body, within its size and its time.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::problem::{Code, Problem};

/// Reads all of a body of at most `limit` bytes. The time starts to count when the first wait does, so a body that
/// came along with its head costs no timer.
pub(super) async fn read(body: Incoming, limit: usize, time: Duration) -> Result<Bytes, Problem> {
    // An announced size is refused before a byte of it is read, and before `Expect: 100-continue` is answered.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut reading = pin!(collect(body, limit));
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return done;
    }
    match tokio::time::timeout(time, reading).await {
        Ok(done) => done,
        Err(_) => Err(Problem::new(
            Code::BodyTimeout,
            format!("the body did not arrive within {} ms (server.body_timeout_ms)", time.as_millis()),
        )),
    }
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Problem> {
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(limit));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity(body.size_hint().lower().min(limit as u64) as usize + first.len());
    all.extend_from_slice(&first);
    while let Some(part) = next(&mut body).await? {
        if all.len() + part.len() > limit {
            return Err(too_large(limit));
        }
        all.extend_from_slice(&part);
    }
    Ok(all.freeze())
}

/// The next piece of data; trailers mean nothing here.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => return Err(Problem::new(Code::BodyTruncated, error.to_string())),
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("a body may have {limit} bytes (server.max_body_bytes)"))
}
