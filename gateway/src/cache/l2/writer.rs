//! Writes what waits, in batches.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    names::Thing,
    shared::{Job, Shared, count, weight},
};
use crate::cache::{codec::Codec, format, redis::RedisError};

/// Most entries of a batch.
const BATCH: usize = 128;
/// Bytes after which a batch is full: look-ups go over the same connection.
const BATCH_BYTES: u64 = 256 << 10;
/// A batch that takes longer is given up; it may be written all the same.
const LIMIT: Duration = Duration::from_secs(2);
/// More bytes than this are packed where that keeps nobody waiting.
const PACKED_HERE: u64 = 64 << 10;
/// Shorter entries gain nothing: their header stays as it is. Answers of this size shrink by half, in 3 µs.
const PACKED_FROM: u64 = 256;
/// Of zstd. Answers of 1 to 12 KB become a quarter to a tenth at any level; the sixth takes four times as long.
const LEVEL: i32 = 1;

/// Writes until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let mut batch = shared.queue.take(BATCH, BATCH_BYTES).await;
        let jobs = batch.things();
        write(&shared, jobs).await;
    }
}

/// Writes these, or counts them as failed.
async fn write(shared: &Arc<Shared>, jobs: Vec<Job>) {
    let Some(attempt) = shared.writes.enter() else {
        return jobs.iter().for_each(|_| count(&shared.counts.failed));
    };
    let written = join_all(pack(jobs).await.into_iter().map(|(job, bytes)| async move {
        let fits = bytes.len() as u64 <= shared.max_entry;
        let Some(ttl) = shared.time_to_live(&job.entry, shared.coherence.now()).filter(|_| fits) else {
            count(&shared.counts.dropped);
            return None;
        };
        let written = write_one(shared, job, &bytes, ttl).await;
        if let Err(error) = &written {
            tracing::debug!(%error, "an entry is not written to Redis");
        }
        count(match &written {
            Ok(true) => &shared.counts.written,
            Ok(false) => &shared.counts.dropped,
            Err(_) => &shared.counts.failed,
        });
        Some(written)
    }))
    .await;
    // One node that takes entries is enough to go on. Where nothing was to be written, nothing was tried.
    if written.iter().flatten().any(Result::is_ok) {
        attempt.answered();
    } else if written.iter().any(Option::is_some) {
        shared.failed(attempt, written.iter().flatten().filter_map(|written| written.as_ref().err()));
    }
}

/// Entries as they are stored.
async fn pack(jobs: Vec<Job>) -> Vec<(Job, Vec<u8>)> {
    let encode = |job: Job| {
        let codec = if weight(&job.entry.payload) < PACKED_FROM { Codec::Plain } else { Codec::Zstd(LEVEL) };
        let bytes = format::encode(&job.sought, &job.entry, &codec);
        (job, bytes)
    };
    let all = move |jobs: Vec<Job>| jobs.into_iter().map(encode).collect();
    if jobs.iter().map(|job| weight(&job.entry.payload)).sum::<u64>() <= PACKED_HERE {
        return all(jobs);
    }
    // Only a runtime that is ending gives up on it.
    tokio::task::spawn_blocking(move || all(jobs)).await.unwrap_or_default()
}

/// Writes an entry; `false` where somebody else's is newer.
async fn write_one(shared: &Shared, mut job: Job, entry: &[u8], ttl: Duration) -> Result<bool, RedisError> {
    if let Some(lease) = &mut job.lease {
        return lease.store(entry, ttl, LIMIT).await;
    }
    let mut command = redis::cmd("SET");
    command.arg(shared.names.of(&job.sought.key, Thing::Entry)).arg(entry).arg("PX").arg(ttl.as_millis() as u64);
    shared.link.query(&command, LIMIT).await.map(|()| true)
}
