//! `forebay load`: files into the backends of a collection.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Failure,
    output::{cell, print, table},
};
use crate::{
    assemble::Filling,
    backend::embedded::storage,
    catalog::CollectionSchema,
    config::{self, BackendConfig, CollectionConfig, Config},
    load::{self, LoadError, LoadPlan, LoadReport, Progress, Severity, Source, Step},
};

/// Read nodes, vectors and edges into the backends of a collection
///
/// Whatever is wrong with a record is counted and left out; the table at the end says what and where. An embedded
/// collection is replaced as a whole, or nothing changes. In Postgres and Neo4j rows and nodes are added and updated, never
/// deleted, a transaction a batch; a load that broke off is run again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The collection, as the configuration names it
    collection: String,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "forebay.toml")]
    config: PathBuf,
    /// Nodes: one JSON object a line, id, attributes and maybe `vector` or `vectors`; `-` for standard input
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    nodes: Vec<PathBuf>,
    /// Edges: CSV with the header `src,dst,type`, or one JSON object a line with these fields
    #[arg(long, value_name = "FILE", num_args = 1..)]
    edges: Vec<PathBuf>,
    /// Vectors: a NumPy array whose i-th row belongs to the i-th node line; `default` where no name is given
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    vectors: Vec<String>,
    /// The field of a node line that holds the id
    #[arg(long, value_name = "NAME", default_value = "id")]
    id_field: String,
    /// The field of a node line that edges name their ends by [default: the id]
    #[arg(long, value_name = "NAME")]
    endpoint_field: Option<String>,
    /// Fields of node lines to leave out without a word
    #[arg(long, value_name = "NAME", num_args = 1..)]
    ignore_field: Vec<String>,
    /// Fields of node lines that are attributes of another name
    #[arg(long, value_name = "FIELD=ATTRIBUTE", num_args = 1.., value_parser = parse_rename)]
    rename: Vec<(String, String)>,
    /// Refuse the whole load when anything would have to be left out
    #[arg(long)]
    strict: bool,
    /// The data directory, in place of the configured one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write into backends of this kind only [default: into all that the collection names]
    #[arg(long, value_name = "KIND")]
    to: Vec<Kind>,
    /// In Postgres and Neo4j, make the tables, constraints and indexes that are not there
    #[arg(long)]
    create: bool,
}

/// A kind of backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Kind {
    Embedded,
    Postgres,
    Neo4j,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = config::load(Some(&args.config))?.config;
    let collection = config.collections.get(&args.collection).ok_or_else(|| unknown_collection(args, &config))?;
    let backends = backends(args, &config, collection)?;
    let plan = plan(args, collection);

    let started = Instant::now();
    let mut progress = Shown::new();
    let outcome = load::load(&plan, &mut progress).map_err(|error| refused(error, &args.collection))?;
    let filling = Filling {
        config: &config,
        name: &args.collection,
        collection,
        schema: &plan.schema,
        parts: &outcome.parts,
        create: args.create,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Other(error.to_string()))?;
    for (name, kind) in &backends {
        let written = match kind {
            Kind::Embedded => {
                progress.begin(Step::Save, None);
                let dir = data_directory(args, &config, name)?;
                let saved = storage::save(&dir, &args.collection, &plan.schema, &outcome.parts);
                progress.end();
                saved.map_err(|error| error.to_string())
            }
            Kind::Postgres => runtime.block_on(filling.postgres(name, &mut progress)),
            Kind::Neo4j => runtime.block_on(filling.neo4j(name, &mut progress)),
        };
        written.map_err(Failure::Other)?;
    }
    let whereto = backends.iter().map(|(name, kind)| match kind {
        Kind::Embedded => data_directory(args, &config, name).map(|dir| dir.display().to_string()),
        Kind::Postgres | Kind::Neo4j => Ok(format!("`{name}`")),
    });
    let whereto: Vec<String> = whereto.collect::<Result<_, _>>()?;
    print(&summary(&args.collection, &whereto.join(" and "), &outcome.report, started.elapsed()))
}

/// The backends to write into, each once.
fn backends(args: &Args, config: &Config, collection: &CollectionConfig) -> Result<Vec<(String, Kind)>, Failure> {
    let graph = collection.graph.as_ref().map(|graph| &graph.backend);
    let mut found = Vec::new();
    for name in [Some(&collection.entities.backend), graph].into_iter().flatten() {
        let kind = match config.backends.get(name) {
            Some(BackendConfig::Embedded { .. }) | None => Kind::Embedded,
            Some(BackendConfig::Postgres(_)) => Kind::Postgres,
            Some(BackendConfig::Neo4j(_)) => Kind::Neo4j,
        };
        if (args.to.is_empty() || args.to.contains(&kind)) && !found.iter().any(|(known, _)| known == name) {
            found.push((name.clone(), kind));
        }
    }
    match found.is_empty() {
        true => Err(Failure::Usage(format!("collection `{}` has no backend of that kind", args.collection))),
        false => Ok(found),
    }
}

fn parse_rename(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("FIELD=ATTRIBUTE is expected")?;
    Ok((from.into(), to.into()))
}

fn unknown_collection(args: &Args, config: &Config) -> Failure {
    let names: Vec<&str> = config.collections.keys().map(String::as_str).collect();
    let (file, held) = (args.config.display(), names.join(", "));
    Failure::Usage(format!("{file} has no collection `{}`; it has: {held}", args.collection))
}

fn data_directory(args: &Args, config: &Config, backend: &str) -> Result<PathBuf, Failure> {
    let configured = match config.backends.get(backend) {
        Some(BackendConfig::Embedded { path }) => Some(path.clone()),
        _ => None,
    };
    let missing = || Failure::Usage(format!("collection `{}` is not embedded", args.collection));
    args.data.clone().or(configured).ok_or_else(missing)
}

fn plan(args: &Args, collection: &CollectionConfig) -> LoadPlan {
    // Stored data does not depend on the embedder.
    let schema = config::schema_of(&args.collection, collection, None);
    let sources = |paths: &[PathBuf]| paths.iter().map(|path| Source::from_argument(path)).collect();
    LoadPlan {
        edge_types: config::edge_types(collection),
        nodes: sources(&args.nodes),
        vectors: args.vectors.iter().map(|text| vector_file(text, &schema)).collect(),
        edges: sources(&args.edges),
        id_field: args.id_field.clone(),
        endpoint_field: args.endpoint_field.clone(),
        renames: args.rename.iter().cloned().collect(),
        ignored_fields: args.ignore_field.iter().cloned().collect(),
        strict: args.strict,
        schema: Arc::new(schema),
    }
}

/// `name=file` where there is a vector of this name; else the whole is a file, for paths may hold `=` too.
fn vector_file(text: &str, schema: &CollectionSchema) -> (String, Source) {
    match text.split_once('=') {
        Some((name, file)) if schema.vector(name).is_some() || !Path::new(text).exists() => {
            (name.to_owned(), Source::from_argument(Path::new(file)))
        }
        _ => ("default".to_owned(), Source::from_argument(Path::new(text))),
    }
}

fn refused(error: LoadError, collection: &str) -> Failure {
    match error {
        LoadError::Refused(report) => {
            let message = format!("{}; collection `{collection}` is unchanged", LoadError::Refused(report.clone()));
            Failure::Other(format!("{message}\n{}", problems(&report).unwrap_or_default()))
        }
        other => Failure::Other(format!("{other}; collection `{collection}` is unchanged")),
    }
}

fn summary(collection: &str, whereto: &str, report: &LoadReport, elapsed: Duration) -> String {
    let mut kept = table(["what", "read", "kept"]);
    kept.add_row(["nodes".into(), report.node_lines.to_string(), report.nodes.to_string()]);
    for (name, count) in &report.vectors {
        kept.add_row([format!("vectors `{name}`"), String::new(), count.to_string()]);
    }
    let edges: u64 = report.edges.iter().map(|(_, count)| count).sum();
    kept.add_row(["edges".into(), report.edge_records.to_string(), edges.to_string()]);
    for (name, count) in &report.edges {
        kept.add_row([format!("  {name}"), String::new(), count.to_string()]);
    }
    let mut text = format!("{kept}\n");
    if let Some(problems) = problems(report) {
        text.push_str(&format!("\n{problems}"));
    }
    let left_out = match report.left_out() {
        0 => "nothing was left out".to_owned(),
        count => format!("{count} left out, see above"),
    };
    let seconds = elapsed.as_secs_f64();
    text.push_str(&format!("\nloaded `{collection}` into {whereto} in {seconds:.1} s; {left_out}\n"));
    text
}

/// What was wrong, as a table; `None` if nothing was.
fn problems(report: &LoadReport) -> Option<String> {
    if report.problems.is_empty() {
        return None;
    }
    let mut table = table(["problem", "count", "left out", "for example"]);
    for (kind, problem) in &report.problems {
        let left_out = if kind.severity() == Severity::LeftOut { "yes" } else { "" };
        for (index, example) in problem.examples.iter().enumerate() {
            let example = format!("{}: {}", example.place, cell(&example.detail));
            match index {
                0 => table.add_row([kind.as_str(), &problem.count.to_string(), left_out, &example]),
                _ => table.add_row(["", "", "", &example]),
            };
        }
    }
    Some(format!("{table}\n"))
}

/// A bar on a terminal, a line a step elsewhere, both on standard error.
pub(super) struct Shown {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Shown {
    pub(super) fn new() -> Self {
        Self { bar: ProgressBar::hidden(), is_terminal: std::io::stderr().is_terminal() }
    }
}

impl Progress for Shown {
    fn begin(&mut self, step: Step, total: Option<u64>) {
        if !self.is_terminal {
            eprintln!("{} …", step.as_str());
            return;
        }
        let template = match total {
            Some(_) if step.counts_records() => "{msg:16} {bar:40} {human_pos:>10} of {human_len}",
            Some(_) => "{msg:16} {bar:40} {bytes:>10} of {total_bytes}",
            None => "{msg:16} {spinner}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is fixed");
        self.bar = ProgressBar::new(total.unwrap_or(0)).with_style(style).with_message(step.as_str());
        self.bar.tick();
    }

    fn advance(&mut self, done: u64) {
        self.bar.set_position(done);
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
    }
}
