//! What a sweep has done, in its folder: `sweep.json` (what it is a sweep of), `done.jsonl` (finished groups),
//! `templates.jsonl` (what templates look like), `secret` (the key of its digests) and the segments of its log.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{super::Failure, state::State};
use crate::{
    log::{Limits, SegmentWriter},
    record::Record,
    schema_hash, short_hex,
};

/// What has to be the same for a sweep to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) queries: String,
    pub(super) repetitions: u32,
    pub(super) deadline_ms: u64,
    pub(super) seed: u64,
    pub(super) schema: String,
}

impl Setting {
    pub(super) fn new(queries: &[impl Serialize], repetitions: u32, deadline_ms: u64, seed: u64) -> Self {
        let text = serde_json::to_vec(queries).unwrap_or_default();
        let queries = short_hex(blake3::hash(&text).as_bytes());
        Self { queries, repetitions, deadline_ms, seed, schema: short_hex(&schema_hash()) }
    }
}

/// How a group ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The query, counted from 0.
    pub(super) query: usize,
    /// The state of the cache.
    pub(super) state: String,
    /// Runs in the log.
    pub(super) runs: usize,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) skipped: Option<String>,
    /// Candidates did not have the same items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) disagreed: Vec<String>,
}

pub(super) struct Journal {
    out: PathBuf,
    secret: [u8; 32],
    done: HashSet<(usize, String)>,
    done_file: File,
    templates: HashSet<String>,
    log: SegmentWriter,
}

#[derive(Serialize, Deserialize)]
struct TemplateLine {
    template: String,
    words: String,
}

impl Journal {
    /// Opens the folder of a sweep, or begins one.
    pub(super) fn open(out: &Path, setting: &Setting) -> Result<Self, Failure> {
        let at = |name: &str| out.join(name);
        let begun = at("sweep.json");
        if let Ok(text) = std::fs::read_to_string(&begun) {
            let known: Setting =
                serde_json::from_str(&text).map_err(|error| Failure::Data(format!("{}: {error}", begun.display())))?;
            if known != *setting {
                let what = "the folder holds a sweep with other queries, repetitions, deadline, seed or features";
                return Err(Failure::Usage(format!("{}: {what}", out.display())));
            }
        } else {
            let text = serde_json::to_string_pretty(setting).expect("plain data");
            std::fs::write(&begun, text + "\n").map_err(Failure::of_file(&begun))?;
        }
        let lines = |name: &str| std::fs::read_to_string(at(name)).unwrap_or_default();
        // A last line that was being written when the sweep died is no line.
        let done = lines("done.jsonl");
        let done: HashSet<_> = done
            .lines()
            .filter_map(|line| serde_json::from_str::<Done>(line).ok())
            .map(|done| (done.query, done.state))
            .collect();
        let templates = lines("templates.jsonl");
        let templates = templates
            .lines()
            .filter_map(|line| serde_json::from_str::<TemplateLine>(line).ok())
            .map(|t| t.template)
            .collect();
        let limits =
            Limits { segment_bytes: 64 << 20, segment_age: Duration::from_secs(u64::MAX >> 8), folder_bytes: u64::MAX };
        let log = SegmentWriter::open(out, limits).map_err(Failure::of_file(out))?;
        let mut done_file = appending(&at("done.jsonl"))?;
        // After a line that broke off.
        done_file.write_all(b"\n").map_err(Failure::of_file(out))?;
        Ok(Self { out: out.to_owned(), secret: secret(&at("secret"))?, done, done_file, templates, log })
    }

    pub(super) fn is_done(&self, query: usize, state: State) -> bool {
        self.done.contains(&(query, state.as_str().to_owned()))
    }

    /// A digest that tells nothing to whoever does not have the folder's secret.
    pub(super) fn digest(&self, what: &str, text: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(what.as_bytes()).update(&[0]).update(text.as_bytes());
        short_hex(hasher.finalize().as_bytes())
    }

    /// Logs a group as a whole, then says that it is done: a sweep that dies in between runs it again.
    pub(super) fn finish(
        &mut self,
        done: Done,
        records: &[Record],
        words: Option<(&str, &str)>,
    ) -> Result<(), Failure> {
        let failed = Failure::of_file(&self.out);
        if let Some((template, words)) = words
            && self.templates.insert(template.to_owned())
        {
            let line = TemplateLine { template: template.to_owned(), words: words.to_owned() };
            let line = serde_json::to_string(&line).expect("plain data") + "\n";
            appending(&self.out.join("templates.jsonl"))?.write_all(line.as_bytes()).map_err(&failed)?;
        }
        records.iter().try_for_each(|record| self.log.append(record)).map_err(&failed)?;
        self.log.flush().map_err(&failed)?;
        let line = serde_json::to_string(&done).expect("plain data") + "\n";
        self.done_file.write_all(line.as_bytes()).map_err(&failed)?;
        self.done.insert((done.query, done.state));
        Ok(())
    }
}

fn appending(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().create(true).append(true).open(path).map_err(Failure::of_file(path))
}

/// The secret of the folder's digests, made when the sweep begins.
fn secret(path: &Path) -> Result<[u8; 32], Failure> {
    if let Ok(bytes) = std::fs::read(path) {
        return bytes.try_into().map_err(|_| Failure::Data(format!("{} is not 32 bytes", path.display())));
    }
    let mut secret = [0; 32];
    rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut secret);
    std::fs::write(path, secret).map_err(Failure::of_file(path))?;
    Ok(secret)
}
