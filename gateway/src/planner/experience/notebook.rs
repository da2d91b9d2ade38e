//! The thread that notes runs: queries leave an observation with it and go on.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use super::{Experience, JournalError, JournalSettings, Observation, journal::Journal};

/// Observations that wait; further ones are lost and counted.
const WAITING: usize = 1_024;

/// What is in the log reaches the disk after this long.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Takes observations. The thread ends when it is dropped, with everything written.
pub struct Notebook {
    notes: Option<SyncSender<Note>>,
    thread: Option<thread::JoinHandle<()>>,
    experience: Arc<Experience>,
    logs: bool,
}

enum Note {
    Ran(Arc<Observation>),
    /// Whoever waits is told once everything before it is noted and written.
    Settle(SyncSender<()>),
}

impl Notebook {
    /// Starts the thread, with a log where one is wanted.
    ///
    /// # Errors
    /// The log cannot be opened.
    pub fn start(experience: Arc<Experience>, log: Option<&JournalSettings>) -> Result<Self, JournalError> {
        let journal = log.map(Journal::open).transpose()?;
        let logs = journal.is_some();
        let (notes, taken) = sync_channel(WAITING);
        let learns = experience.clone();
        let work = move || work(&taken, &learns, journal);
        // Without the thread every observation is lost, and counted as such.
        let thread = thread::Builder::new().name("planner-notes".into()).spawn(work).ok();
        Ok(Self { notes: Some(notes), thread, experience, logs })
    }

    /// Whether there is a log.
    pub fn logs(&self) -> bool {
        self.logs
    }

    /// Leaves an observation. Never waits.
    pub fn note(&self, observation: Observation) {
        let Some(notes) = &self.notes else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            notes.try_send(Note::Ran(Arc::new(observation)))
        {
            self.experience.counters.lost();
        }
    }

    /// Returns once everything that was left is noted, and written where there is a log. Waits; not for the path of queries.
    pub fn settle(&self) {
        let (told, done) = sync_channel(1);
        if let Some(notes) = &self.notes
            && notes.send(Note::Settle(told)).is_ok()
        {
            let _ = done.recv();
        }
    }
}

impl Drop for Notebook {
    fn drop(&mut self) {
        drop(self.notes.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(taken: &Receiver<Note>, experience: &Experience, mut journal: Option<Journal>) {
    loop {
        match taken.recv_timeout(FLUSH_EVERY) {
            Ok(Note::Ran(observation)) => {
                if let Some(journal) = journal.as_mut().filter(|_| observation.logged) {
                    journal.write(&observation, &experience.counters);
                }
                experience.take(observation);
            }
            Ok(Note::Settle(told)) => {
                journal.iter_mut().for_each(Journal::flush);
                let _ = told.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => journal.iter_mut().for_each(Journal::flush),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    journal.iter_mut().for_each(Journal::flush);
}
