//! For how long a thread has had a processor. Unlike requests a second it says what a server costs whatever else runs on
//! the machine, and however fast its clients are.

use std::{fs, path::PathBuf, time::Duration};

/// The clock of one thread. Only Linux says.
#[derive(Debug)]
pub(super) struct Busy(PathBuf);

impl Busy {
    /// The clock of the thread that asks.
    pub(super) fn of_this_thread() -> Option<Self> {
        let thread = fs::read_link("/proc/thread-self").ok()?;
        Some(Self(PathBuf::from("/proc").join(thread).join("schedstat")))
    }

    /// Its time so far.
    pub(super) fn read(&self) -> Option<Duration> {
        // Nanoseconds on a processor, nanoseconds waiting for one, and how often it got one.
        let text = fs::read_to_string(&self.0).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn it_counts_work_and_not_sleep() {
        let busy = Busy::of_this_thread().unwrap();
        let before = busy.read().unwrap();
        // Ends because it counts.
        while busy.read().unwrap() - before < Duration::from_millis(20) {}
        let (before, started) = (busy.read().unwrap(), Instant::now());
        std::thread::sleep(Duration::from_millis(100));
        assert!(busy.read().unwrap() - before < started.elapsed() / 2);
    }
}
