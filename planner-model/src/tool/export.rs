//! `planner-model export`: runs as Parquet, and what is held out, for other tools.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::{Compression, Repetition, Type as Physical, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};
use serde_json::json;

use super::{Failure, logs::Logs, output};
use crate::{
    Feature,
    dataset::{Candidate, Dataset, Group, Holdout, Run, folds},
    evaluate::cases,
};

/// Rows of a row group.
const ROWS: usize = 100_000;

/// Write runs as Parquet, one a row, and a file that says what is held out
///
/// `runs.parquet` (zstd) has every run with its features; `splits.json` the parts that `evaluate` holds out, by the column
/// `group`, so that other models can be judged on the same ones.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,
    /// Folder for both files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Parts that are held out, one after the other
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: u16,
    /// Decides which queries are in which part
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let data = args.logs.load()?;
    std::fs::create_dir_all(&args.out).map_err(Failure::of_file(&args.out))?;
    let file = args.out.join("runs.parquet");
    let rows = write(&data, &file).map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
    let splits = args.out.join("splits.json");
    let text = serde_json::to_string(&split(&data, usize::from(args.folds), args.seed)).expect("plain data");
    std::fs::write(&splits, text + "\n").map_err(Failure::of_file(&splits))?;
    output::print(&format!("{rows} runs in {}, what is held out in {}\n", file.display(), splits.display()))
}

/// For each holdout its folds; of each the groups that are held out and are judged, and those that are trained on.
fn split(data: &Dataset, count: usize, seed: u64) -> serde_json::Value {
    let judged: std::collections::HashSet<usize> = cases(data).iter().map(|case| case.index).collect();
    let of = |holdout: Holdout| {
        let folds = folds(data, holdout, count, seed);
        let fold = |fold: &crate::dataset::Fold| {
            let test: Vec<usize> = fold.test.iter().copied().filter(|group| judged.contains(group)).collect();
            json!({ "train": fold.train, "test": test })
        };
        (holdout.as_str().to_owned(), folds.iter().map(fold).collect::<Vec<_>>().into())
    };
    json!({ "plans": data.plans, "holdouts": Holdout::ALL.map(of).into_iter().collect::<serde_json::Map<_, _>>() })
}

/// A run with what it belongs to.
struct Row<'a> {
    place: usize,
    group: &'a Group,
    candidate: &'a Candidate,
    run: &'a Run,
}

type Text = Box<dyn Fn(&Row<'_>) -> String>;

/// A column with where its values come from.
enum Column {
    Long(fn(&Row<'_>) -> i64),
    Short(fn(&Row<'_>) -> i32),
    Double(fn(&Row<'_>) -> f64),
    Flag(fn(&Row<'_>) -> bool),
    Text(Text),
    Feature(Feature),
}

fn columns(data: &Dataset) -> Vec<(String, Column)> {
    let plans = data.plans.clone();
    let text = |of: for<'a> fn(&'a Row<'_>) -> &'a str| Column::Text(Box::new(move |row| of(row).to_owned()));
    let mut columns: Vec<(String, Column)> = vec![
        ("group".into(), Column::Long(|row| row.place as i64)),
        ("query".into(), text(|row| &row.group.query)),
        ("template".into(), text(|row| &row.group.template)),
        ("collection".into(), text(|row| &row.group.collection)),
        ("origin".into(), Column::Text(Box::new(|row| format!("{:?}", row.group.origin).to_lowercase()))),
        ("at_ms".into(), Column::Long(|row| row.group.at_ms)),
        ("cache_reach".into(), Column::Flag(|row| row.group.cache.reach)),
        ("cache_list".into(), Column::Flag(|row| row.group.cache.list)),
        ("plan".into(), Column::Text(Box::new(move |row| plans[row.candidate.plan].clone()))),
        ("operators".into(), text(|row| &row.candidate.operators)),
        ("repetition".into(), Column::Short(|row| i32::try_from(row.run.repetition).unwrap_or(i32::MAX))),
        ("censored".into(), Column::Flag(|row| row.run.censored)),
        ("us".into(), Column::Double(|row| row.run.us)),
        ("analytic_us".into(), Column::Double(|row| row.candidate.analytic_us)),
        ("predicted_us".into(), Column::Double(|row| row.candidate.predicted_us)),
    ];
    // Some features are called like columns.
    columns.extend(Feature::ALL.iter().map(|&feature| (format!("f_{}", feature.name()), Column::Feature(feature))));
    columns
}

impl Column {
    fn physical(&self) -> Physical {
        match self {
            Self::Long(_) => Physical::INT64,
            Self::Short(_) => Physical::INT32,
            Self::Double(_) => Physical::DOUBLE,
            Self::Flag(_) => Physical::BOOLEAN,
            Self::Text(_) => Physical::BYTE_ARRAY,
            Self::Feature(_) => Physical::FLOAT,
        }
    }
}

/// Writes all runs; how many they are.
fn write(data: &Dataset, path: &Path) -> Result<usize, parquet::errors::ParquetError> {
    let columns = columns(data);
    let field = |(name, column): &(String, Column)| {
        let kind = Type::primitive_type_builder(name, column.physical()).with_repetition(Repetition::REQUIRED);
        let kind = if matches!(column, Column::Text(_)) {
            kind.with_logical_type(Some(parquet::basic::LogicalType::String))
        } else {
            kind
        };
        kind.build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    let schema = Arc::new(Type::group_type_builder("runs").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(9)?)).build();
    let mut writer = SerializedFileWriter::new(File::create(path)?, schema, Arc::new(properties))?;

    let all: Vec<Row<'_>> = data
        .groups
        .iter()
        .enumerate()
        .flat_map(|(place, group)| {
            let of = move |candidate| runs(place, group, candidate);
            group.candidates.iter().flat_map(of)
        })
        .collect();
    for rows in all.chunks(ROWS) {
        let mut group = writer.next_row_group()?;
        for (_, column) in &columns {
            let Some(mut out) = group.next_column()? else { break };
            match column {
                Column::Long(of) => _ = out.typed::<Int64Type>().write_batch(&each(rows, of), None, None)?,
                Column::Short(of) => _ = out.typed::<Int32Type>().write_batch(&each(rows, of), None, None)?,
                Column::Double(of) => _ = out.typed::<DoubleType>().write_batch(&each(rows, of), None, None)?,
                Column::Flag(of) => _ = out.typed::<BoolType>().write_batch(&each(rows, of), None, None)?,
                Column::Text(of) => {
                    let texts = each(rows, |row| ByteArray::from(of(row).into_bytes()));
                    out.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
                }
                Column::Feature(feature) => {
                    let values = each(rows, |row| row.candidate.features.get(*feature));
                    out.typed::<FloatType>().write_batch(&values, None, None)?;
                }
            }
            out.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(all.len())
}

fn runs<'a>(place: usize, group: &'a Group, candidate: &'a Candidate) -> impl Iterator<Item = Row<'a>> {
    candidate.runs.iter().map(move |run| Row { place, group, candidate, run })
}

fn each<'a, T>(rows: &'a [Row<'a>], of: impl Fn(&Row<'a>) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}
