//! The file: a table of epochs, then records of what moved since. It is read and written again at each start.
//!
//! ```text
//! magic "fbepochs" · incarnation u64 · epoch of everything u64 · time u64 · count u32 · slots u16 and epochs u64 · checksum u64
//! kind u8 · slot u16 · epoch u64 · time u64 · checksum u64, once a record; a record's checksum begins with its number
//! ```
//!
//! A plain file rather than a database, since all that it has to be able to say is "I am whole or I am not": any byte that
//! is off makes it worthless, which costs misses and nothing else. What is not whole at its end was not acknowledged.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::cache::{EpochTable, Epochs, WallTime};

const MAGIC: [u8; 8] = *b"fbepochs";
const HEAD: usize = 36;
const SLOT: usize = 10;
const RECORD: usize = 27;
/// The file is written anew when it has so many records.
const MOST: u64 = 100_000;

/// What moved, and to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Record {
    /// The epoch of everything.
    All(u64),
    /// The epoch of a slot.
    Slot(u16, u64),
}

/// The open file. Nobody else has it.
pub(super) struct Journal {
    directory: PathBuf,
    file: Option<File>,
    table: Table,
    records: u64,
    /// Lets go of the folder when it is closed.
    _lock: File,
}

/// What the file says.
struct Table {
    epochs: EpochTable,
    time: WallTime,
}

impl Journal {
    /// Opens the file in a folder and lets the counters take over what it says, if it can be relied on.
    ///
    /// # Errors
    /// Another process has the folder, or it cannot be written.
    pub(super) fn open(directory: &Path, epochs: &Epochs, now: WallTime) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let lock = OpenOptions::new().create(true).append(true).open(directory.join("epochs.lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::WouldBlock, "another gateway keeps its epochs here")
            }
            TryLockError::Error(error) => error,
        })?;
        let kept = fs::read(directory.join("epochs")).ok().and_then(|bytes| Table::read(&bytes));
        if let Some(kept) = kept.filter(|kept| kept.time <= now) {
            epochs.adopt(&kept.epochs);
        } else {
            tracing::info!("no epochs of before can be relied on; what is stored is of no use");
        }
        let table = Table { epochs: epochs.table(), time: now };
        let mut journal = Self { directory: directory.to_owned(), file: None, table, records: 0, _lock: lock };
        journal.write_anew()?;
        Ok(journal)
    }

    /// Writes down what moves, and the time. Once this returns it is on the disk.
    ///
    /// # Errors
    /// It may not be.
    pub(super) fn append(&mut self, moved: &[Record], now: WallTime) -> io::Result<()> {
        self.table.time = self.table.time.max(now);
        let mut bytes = Vec::with_capacity(RECORD * (moved.len() + 1));
        let of_time = [Record::All(self.table.epochs.all)];
        for record in if moved.is_empty() { &of_time } else { moved } {
            self.table.apply(*record);
            bytes.extend_from_slice(&encode(*record, self.table.time, self.records));
            self.records += 1;
        }
        if self.records > MOST {
            return self.write_anew();
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.write_all(&bytes)?;
        file.sync_data()
    }

    /// Makes the file worthless, so that nobody relies on it who must not.
    ///
    /// # Errors
    /// It may still be there.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::remove_file(self.directory.join("epochs")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => File::open(&self.directory)?.sync_all(),
        }
    }

    /// Whether the file has been made worthless.
    pub(super) fn is_forgotten(&self) -> bool {
        self.file.is_none() && !self.directory.join("epochs").exists()
    }

    fn write_anew(&mut self) -> io::Result<()> {
        self.file = None;
        let (path, new) = (self.directory.join("epochs"), self.directory.join("epochs.new"));
        let mut file = File::create(&new)?;
        file.write_all(&self.table.write())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.directory)?.sync_all()?;
        self.records = 0;
        self.file = Some(file);
        Ok(())
    }

    /// From now on nothing can be written.
    #[cfg(test)]
    pub(super) fn break_for_test(&mut self) {
        self.file = Some(File::open(self.directory.join("epochs")).expect("it is there"));
    }
}

fn encode(record: Record, time: WallTime, number: u64) -> [u8; RECORD] {
    let (kind, slot, epoch) = match record {
        Record::All(epoch) => (0, 0, epoch),
        Record::Slot(slot, epoch) => (1, slot, epoch),
    };
    let mut bytes = [0; RECORD];
    bytes[0] = kind;
    bytes[1..3].copy_from_slice(&slot.to_le_bytes());
    bytes[3..11].copy_from_slice(&epoch.to_le_bytes());
    bytes[11..19].copy_from_slice(&time.0.to_le_bytes());
    let checksum = xxh3_64_with_seed(&bytes[..19], number);
    bytes[19..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

impl Table {
    fn apply(&mut self, record: Record) {
        match record {
            Record::All(epoch) => self.epochs.all = self.epochs.all.max(epoch),
            Record::Slot(slot, epoch) => match self.epochs.slots.binary_search_by_key(&slot, |(slot, _)| *slot) {
                Ok(at) => self.epochs.slots[at].1 = self.epochs.slots[at].1.max(epoch),
                Err(at) => self.epochs.slots.insert(at, (slot, epoch)),
            },
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for number in [self.epochs.incarnation, self.epochs.all, self.time.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(self.epochs.slots.len() as u32).to_le_bytes());
        for (slot, epoch) in &self.epochs.slots {
            out.extend_from_slice(&slot.to_le_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
        }
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// What a file says, to its last byte.
    fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD).filter(|head| head.starts_with(&MAGIC))?;
        let count = u32::from_le_bytes(head[32..].try_into().ok()?) as usize;
        let end = HEAD.checked_add(count.checked_mul(SLOT)?)?;
        let slots = bytes.get(HEAD..end)?;
        (u64_at(bytes, end)? == xxh3_64(&bytes[..end])).then_some(())?;
        let slots = slots.chunks_exact(SLOT).map(|slot| Some((u16_at(slot, 0)?, u64_at(slot, 2)?)));
        let slots: Vec<_> = slots.collect::<Option<_>>()?;
        if !slots.is_sorted_by(|a, b| a.0 < b.0) {
            return None;
        }
        let epochs = EpochTable { incarnation: u64_at(bytes, 8)?, all: u64_at(bytes, 16)?, slots };
        let mut table = Self { epochs, time: WallTime(u64_at(bytes, 24)?) };
        let records = &bytes[end + 8..];
        if !records.len().is_multiple_of(RECORD) || table.epochs.incarnation == 0 {
            return None;
        }
        for (number, bytes) in records.chunks_exact(RECORD).enumerate() {
            (u64_at(bytes, 19)? == xxh3_64_with_seed(&bytes[..19], number as u64)).then_some(())?;
            let epoch = u64_at(bytes, 3)?;
            table.apply(if bytes[0] == 0 { Record::All(epoch) } else { Record::Slot(u16_at(bytes, 1)?, epoch) });
            table.time = table.time.max(WallTime(u64_at(bytes, 11)?));
        }
        Some(table)
    }
}
