//! What is asked.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Map, Value as Json};

use super::super::Failure;

/// Where queries come from.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["queries", "generate"])))]
pub(super) struct Source {
    /// File with one query body a line, as `forebay workload` writes it
    #[arg(long, value_name = "FILE")]
    queries: Option<PathBuf>,
    /// Let `forebay workload` make so many queries
    #[arg(long, value_name = "COUNT")]
    generate: Option<usize>,
    /// With `--generate`: the collection
    #[arg(long, value_name = "NAME", default_value = "packages", requires = "generate")]
    collection: String,
    /// With `--generate`: a configuration with that collection loaded [default: the packages of the demo]
    #[arg(long, value_name = "FILE", requires = "generate")]
    config: Option<PathBuf>,
    /// With `--generate`: the `forebay` program [default: beside this one, else the one in PATH]
    #[arg(long, value_name = "FILE", requires = "generate")]
    forebay: Option<PathBuf>,
    /// Ask for exact answers: all candidates of a query must then have the same items, which is checked
    #[arg(long)]
    exact: bool,
    /// Leave queries out after so many
    #[arg(long, value_name = "COUNT")]
    first: Option<usize>,
}

impl Source {
    /// The queries as they are asked, from a file or made and kept in the folder.
    pub(super) fn read(&self, out: &Path, seed: u64) -> Result<Vec<Map<String, Json>>, Failure> {
        let file = match (&self.queries, self.generate) {
            (Some(file), _) => file.clone(),
            (None, count) => self.generated(out, count.unwrap_or_default(), seed)?,
        };
        let text = std::fs::read_to_string(&file).map_err(Failure::of_file(&file))?;
        let mut queries = Vec::new();
        for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let query: Map<String, Json> = serde_json::from_str(line)
                .map_err(|error| Failure::Data(format!("{}, line {}: {error}", file.display(), place + 1)))?;
            queries.push(self.bare(query));
        }
        queries.truncate(self.first.unwrap_or(usize::MAX));
        if queries.is_empty() {
            return Err(Failure::Data(format!("{} has no queries", file.display())));
        }
        Ok(queries)
    }

    /// A query without what only costs time after the ranked part: what each candidate does alike is not measured.
    fn bare(&self, mut query: Map<String, Json>) -> Map<String, Json> {
        for member in ["expand", "include", "options"] {
            query.remove(member);
        }
        query.insert("select".into(), Json::Array(Vec::new()));
        if self.exact {
            query.insert("exact".into(), true.into());
        }
        query
    }

    /// Generated queries are made once: a sweep that goes on has to ask the same ones.
    fn generated(&self, out: &Path, count: usize, seed: u64) -> Result<PathBuf, Failure> {
        let file = out.join(format!("generated-{count}.jsonl"));
        if file.exists() {
            return Ok(file);
        }
        let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join("forebay")));
        let program = self.forebay.clone().or(beside.filter(|path| path.exists())).unwrap_or_else(|| "forebay".into());
        let unfinished = file.with_extension("part");
        let mut command = Command::new(&program);
        command.args([
            "workload",
            &self.collection,
            "--count",
            &count.to_string(),
            "--seed",
            &seed.to_string(),
            "--out",
        ]);
        command.arg(&unfinished);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        let output = command.output().map_err(Failure::of_file(&program))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::Other(format!("{} workload: {}", program.display(), said.trim())));
        }
        std::fs::rename(&unfinished, &file).map_err(Failure::of_file(&file))?;
        Ok(file)
    }
}
