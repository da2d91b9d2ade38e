//! A gateway that shares nothing but has a folder of objects that outlives it: its counters are kept in that folder.
//!
//! A stamp says nothing without the counters that it was taken from. So an epoch is on the disk before it is used or a bump
//! is acknowledged, and whenever the counters may not be those of the last bump — the file is missing or damaged, or the
//! clock is behind what it was — there is a new incarnation, of which no stored entry is.

mod journal;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use journal::{Journal, Record};
use tokio::task::AbortHandle;

use super::{Acknowledged, Bump, Coherence, Unacknowledged};
use crate::cache::{Epochs, WallTime};

/// How often the time is written down.
const TICK: Duration = Duration::from_secs(60);

/// Counters that outlive the process.
pub struct Kept {
    inner: Arc<Inner>,
    ticking: Option<AbortHandle>,
}

struct Inner {
    epochs: Arc<Epochs>,
    started: (WallTime, Instant),
    /// `None` where the counters are this process' alone.
    journal: Mutex<Option<Journal>>,
}

impl Kept {
    /// Counters kept in this folder. Where they cannot be, because another gateway has them or the folder cannot be written,
    /// that is logged, and they are this process' own: entries of others, and its own after the next start, are misses.
    /// Within a runtime the time is written down now and then.
    pub fn open(directory: &Path) -> Self {
        Self::open_at(directory, WallTime::of_system())
    }

    /// Whether the counters are kept, so that the folder is this gateway's alone.
    pub fn is_kept(&self) -> bool {
        self.inner.journal().is_some()
    }

    fn open_at(directory: &Path, now: WallTime) -> Self {
        let epochs = Arc::new(Epochs::default());
        let journal = match Journal::open(directory, &epochs, now) {
            Ok(journal) => Some(journal),
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, %error, "epochs cannot be kept; stored objects are of no use after a restart");
                None
            }
        };
        let kept = journal.is_some();
        let started = (now, Instant::now());
        let inner = Arc::new(Inner { epochs, started, journal: Mutex::new(journal) });
        let ticking = tokio::runtime::Handle::try_current().ok().filter(|_| kept);
        let ticking = ticking.map(|runtime| runtime.spawn(tick(inner.clone())).abort_handle());
        Self { inner, ticking }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(ticking) = &self.ticking {
            ticking.abort();
        }
        self.inner.write_time();
        // Whoever still ticks must not keep the folder from the next gateway.
        *self.inner.journal() = None;
    }
}

async fn tick(inner: Arc<Inner>) {
    loop {
        tokio::time::sleep(TICK).await;
        let inner = inner.clone();
        let _ = tokio::task::spawn_blocking(move || inner.write_time()).await;
    }
}

impl Inner {
    fn now(&self) -> WallTime {
        let (wall, instant) = self.started;
        wall.after(instant.elapsed())
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_time(&self) {
        if let Some(journal) = &mut *self.journal() {
            // Where that fails, so does the next bump, which says so.
            let _ = journal.append(&[], self.now());
        }
    }

    fn bump(&self, what: &Bump) -> Result<usize, Unacknowledged> {
        // Held until the counters have moved: two bumps of one slot are two epochs.
        let mut journal = self.journal();
        let present = self.epochs.stamp(what.tags());
        let mut records: Vec<Record> = match what {
            Bump::All => vec![Record::All(present.all + 1)],
            Bump::Tags(_) => present.slots.iter().map(|(slot, epoch)| Record::Slot(*slot, epoch + 1)).collect(),
        };
        records.sort_unstable();
        records.dedup();
        // First written, then used: an epoch that is in a stamp is never given out again after a restart.
        let written = journal.as_mut().map_or(Ok(()), |journal| {
            journal.append(&records, self.now()).or_else(|error| {
                tracing::warn!(%error, "epochs cannot be kept any more");
                journal.forget()
            })
        });
        for record in &records {
            match *record {
                Record::All(epoch) => self.epochs.advance_all(present.incarnation, epoch),
                Record::Slot(slot, epoch) => self.epochs.advance(present.incarnation, slot, epoch),
            }
        }
        if journal.as_ref().is_some_and(Journal::is_forgotten) {
            *journal = None;
        }
        written.map_err(|error| Unacknowledged::Unreachable(error.to_string()))?;
        Ok(if let Bump::Tags(tags) = what { tags.len() } else { 1 })
    }
}

impl Bump {
    fn tags(&self) -> impl Iterator<Item = &str> {
        let tags: &[String] = if let Self::Tags(tags) = self { tags } else { &[] };
        tags.iter().map(String::as_str)
    }
}

#[async_trait]
impl Coherence for Kept {
    fn epochs(&self) -> &Arc<Epochs> {
        &self.inner.epochs
    }

    async fn bump(&self, what: &Bump) -> Result<Acknowledged, Unacknowledged> {
        let (inner, what) = (self.inner.clone(), what.clone());
        let began = Instant::now();
        // It goes on where nobody waits for it any more.
        let bumped = tokio::task::spawn_blocking(move || inner.bump(&what)).await;
        let bumped = bumped.unwrap_or_else(|error| Err(Unacknowledged::Unreachable(error.to_string())))?;
        Ok(Acknowledged { bumped, confirmed: 1, lapsed: 0, waited: began.elapsed() })
    }

    fn now(&self) -> WallTime {
        self.inner.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: WallTime = WallTime(1_800_000_000_000);

    fn later(seconds: u64) -> WallTime {
        NOON.after(Duration::from_secs(seconds))
    }

    fn tags(tags: &[&str]) -> Bump {
        Bump::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect())
    }

    #[tokio::test]
    async fn what_was_current_at_the_end_is_current_after_a_restart_and_what_was_not_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (before, after, other) = {
            let kept = Kept::open_at(directory.path(), NOON);
            let before = kept.epochs().stamp(["a"]);
            assert_eq!(kept.bump(&tags(&["a", "b", "a"])).await.unwrap().bumped, 3);
            (before, kept.epochs().stamp(["a", "b"]), kept.epochs().stamp(["c"]))
        };
        let kept = Kept::open_at(directory.path(), later(5));
        assert!(!kept.epochs().is_current(&before));
        assert!(kept.epochs().is_current(&after) && kept.epochs().is_current(&other));
        kept.bump(&Bump::All).await.unwrap();
        drop(kept);
        let kept = Kept::open_at(directory.path(), later(10));
        assert!(!kept.epochs().is_current(&after) && !kept.epochs().is_current(&other));
    }

    #[tokio::test]
    async fn a_missing_a_damaged_and_a_shortened_file_outdate_everything() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("epochs");
        let mut now = 0;
        let mut start = || {
            now += 5;
            Kept::open_at(directory.path(), later(now))
        };
        let kept = start();
        kept.bump(&tags(&["a"])).await.unwrap();
        kept.bump(&tags(&["b"])).await.unwrap();
        let mut stamp = kept.epochs().stamp(["a"]);
        drop(kept);
        let whole = std::fs::read(&file).unwrap();
        let damages: Vec<Vec<u8>> = (0..whole.len())
            .step_by(5)
            .map(|at| {
                let mut bytes = whole.clone();
                bytes[at] ^= 4;
                bytes
            })
            .chain((1..whole.len()).filter(|cut| cut % 27 != 0).map(|cut| whole[..whole.len() - cut].to_vec()))
            .collect();
        assert!(damages.len() > 20);
        for damaged in damages {
            std::fs::write(&file, damaged).unwrap();
            let kept = start();
            assert!(!kept.epochs().is_current(&stamp));
            drop(kept);
            std::fs::write(&file, &whole).unwrap();
            let kept = start();
            stamp = kept.epochs().stamp(["a"]);
        }
        std::fs::remove_file(&file).unwrap();
        assert!(!start().epochs().is_current(&stamp));
    }

    #[tokio::test]
    async fn a_clock_that_went_back_outdates_everything() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::open_at(directory.path(), later(100));
        let stamp = kept.epochs().stamp(["a"]);
        drop(kept);
        let kept = Kept::open_at(directory.path(), later(50));
        assert!(!kept.epochs().is_current(&stamp));
        let stamp = kept.epochs().stamp(["a"]);
        drop(kept);
        assert!(Kept::open_at(directory.path(), later(60)).epochs().is_current(&stamp));
    }

    #[tokio::test]
    async fn a_second_gateway_on_the_same_folder_has_counters_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let first = Kept::open_at(directory.path(), NOON);
        let second = Kept::open_at(directory.path(), NOON);
        let (of_first, of_second) = (first.epochs().stamp(["a"]), second.epochs().stamp(["a"]));
        assert!(!second.epochs().is_current(&of_first) && !first.epochs().is_current(&of_second));
        assert!(second.bump(&tags(&["a"])).await.is_ok());
        assert!(!second.epochs().is_current(&of_second), "its bumps count all the same");
        drop((first, second));
        assert!(Kept::open_at(directory.path(), later(5)).epochs().is_current(&of_first));
    }

    #[tokio::test]
    async fn without_a_folder_counters_are_of_this_process_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let kept = Kept::open_at(&file, NOON);
        let stamp = kept.epochs().stamp(["a"]);
        assert!(kept.epochs().is_current(&stamp));
        kept.bump(&tags(&["a"])).await.unwrap();
        assert!(!kept.epochs().is_current(&stamp));
    }

    #[tokio::test]
    async fn a_bump_that_cannot_be_written_leaves_no_counters_behind_that_miss_it() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::open_at(directory.path(), NOON);
        let stamp = kept.epochs().stamp(["a"]);
        kept.inner.journal().as_mut().unwrap().break_for_test();
        kept.bump(&tags(&["a"])).await.unwrap();
        assert!(!kept.epochs().is_current(&stamp));
        let after = kept.epochs().stamp(["a"]);
        drop(kept);
        let kept = Kept::open_at(directory.path(), later(5));
        assert!(!kept.epochs().is_current(&stamp) && !kept.epochs().is_current(&after));
    }

    #[tokio::test]
    async fn concurrent_bumps_of_one_tag_are_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Arc::new(Kept::open_at(directory.path(), NOON));
        let bumps = (0..40).map(|_| {
            let kept = kept.clone();
            tokio::spawn(async move { kept.bump(&tags(&["a"])).await.unwrap() })
        });
        futures_util::future::join_all(bumps).await;
        let stamp = kept.epochs().stamp(["a"]);
        assert_eq!(stamp.slots[0].1, 40);
        drop(kept);
        assert!(Kept::open_at(directory.path(), later(5)).epochs().is_current(&stamp));
    }
}
