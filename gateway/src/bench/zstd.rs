//! `forebay bench zstd`: how small answers become in tier 3, and how fast they come back.

use std::{hint::black_box, sync::Arc, time::Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    BenchError, Corpus, Effort, Figure, Goal, Report,
    corpus::{self, incoming},
    timing::{Samples, order},
};
use crate::{
    cache::codec::{Codec, Dictionaries, Dictionary, DictionaryId, Trainer, unpack},
    principal::Principal,
    request::Gateway,
};

/// Generated queries that the dictionary is trained on; none of them is judged.
const TRAINED_ON: usize = 1_500;
/// Queries that are judged: those that came with the data, where it has so many.
const JUDGED: usize = 300;
/// Items of an answer.
const LIMITS: [usize; 3] = [10, 20, 40];
/// Sizes of the answers that count.
const SIZES: std::ops::RangeInclusive<usize> = 2_000..=12_000;
/// Rounds; each unpacks everything with and without a dictionary.
const ROUNDS: usize = 40;
/// The default of `cache.l3.zstd_level`.
const LEVEL: i32 = 3;
/// Bytes before over bytes after.
const RATIO_GOAL: f64 = 3.0;
/// Microseconds for a megabyte (10⁶ bytes): 500 MB/s.
const TIME_GOAL: f64 = 2_000.0;

/// One dictionary at hand.
struct Only(Arc<Dictionary>);

impl Dictionaries for Only {
    fn get(&self, id: &DictionaryId) -> Option<Arc<Dictionary>> {
        (self.0.id() == *id).then(|| self.0.clone())
    }
}

/// Answers of 2 to 12 KB, packed with and without a dictionary that was trained on answers to other queries.
///
/// # Errors
/// When the gateway refuses a query, or there are too few answers of that size to train on.
pub fn zstd(corpus: &Corpus, effort: Effort) -> Result<Report, BenchError> {
    let gateway = corpus.gateway()?;
    let queries = corpus.queries(JUDGED + effort.of(TRAINED_ON, 600));
    let (judged, others) = queries.split_at(JUDGED.min(queries.len()));
    let runtime = corpus::runtime()?;
    let learnt = runtime.block_on(answers(corpus, &gateway, others))?;
    let judged = runtime.block_on(answers(corpus, &gateway, judged))?;
    let too_few = || BenchError::Other("there are too few answers of 2 to 12 KB to train on".into());
    let dictionary = Arc::new(trained(&learnt).ok_or_else(too_few)?);
    if judged.is_empty() {
        return Err(too_few());
    }

    let bytes: usize = judged.iter().map(Bytes::len).sum();
    let codecs = [Codec::Zstd(LEVEL), Codec::Trained(dictionary.clone())];
    let dictionaries = Only(dictionary.clone());
    let packed = codecs.map(|codec| {
        let pack = |body: &Bytes| codec.pack(body).map(|(packing, packed)| (packing, packed, body.len()));
        judged.iter().filter_map(pack).collect::<Vec<_>>()
    });
    let mut times = [Samples::default(), Samples::default()];
    let rounds = effort.of(ROUNDS, 2);
    for round in 0..=rounds {
        for side in order(round, 2) {
            let started = Instant::now();
            for (packing, packed, length) in &packed[side] {
                let body = unpack(*packing, packed, *length, &dictionaries);
                black_box(body.map_err(|flaw| BenchError::Other(flaw.as_str().into()))?);
            }
            let unpacked: usize = packed[side].iter().map(|(_, _, length)| length).sum();
            // The first round warms up.
            if round > 0 {
                times[side].push(started.elapsed().as_secs_f64() * 1e12 / unpacked as f64);
            }
        }
    }

    let [without, with] = packed.map(|packed| packed.iter().map(|(_, packed, _)| packed.len()).sum::<usize>() as f64);
    let [time_without, time_with] = times.map(|times| times.median());
    let mut report = Report::default();
    report
        .add(Figure::new("zstd/answers, against packed without a dictionary", bytes as f64, "bytes").against(without));
    report.add(
        Figure::new("zstd/answers, against packed with a dictionary", bytes as f64, "bytes")
            .against(with)
            .goal(Goal::RatioAtLeast(RATIO_GOAL)),
    );
    report.add(Figure::new("zstd/unpacking without a dictionary", time_without, "us/MB"));
    report.add(
        Figure::new("zstd/unpacking with a dictionary", time_with, "us/MB")
            .against(time_without)
            .goal(Goal::AtMost(TIME_GOAL)),
    );
    report.note(format!(
        "{} answers of {} bytes on average, all attributes and scores, {LIMITS:?} items; level {LEVEL}; a dictionary of \
         {} bytes, trained on {} answers to other queries. Times are medians over {rounds} rounds, one thread, without \
         the entries' headers. {TIME_GOAL} us/MB are 500 MB/s.",
        judged.len(),
        bytes / judged.len(),
        dictionary.bytes().len(),
        learnt.len()
    ));
    Ok(report)
}

/// Answers to queries with all attributes, of those sizes that count.
async fn answers(corpus: &Corpus, gateway: &Gateway, queries: &[Value]) -> Result<Vec<Bytes>, BenchError> {
    let principal = Arc::new(Principal::local());
    let attributes: Vec<_> = corpus.schema.attributes.iter().map(|attribute| &*attribute.name).collect();
    let mut answers = Vec::new();
    for (i, query) in queries.iter().enumerate() {
        let mut query = query.clone();
        query["select"] = json!(attributes);
        query["include"] = json!({ "scores": true });
        query["limit"] = json!(LIMITS[i % LIMITS.len()]);
        query["options"] = json!({ "cache": "bypass" });
        let bytes = Bytes::from(query.to_string());
        match gateway.answer(incoming(&principal, bytes)).await {
            Ok(answer) => answers.push(answer.body),
            Err(problem) => return Err(BenchError::Query(problem, query.to_string())),
        }
    }
    answers.retain(|body| SIZES.contains(&body.len()));
    Ok(answers)
}

/// What a running gateway would have learnt from them.
fn trained(bodies: &[Bytes]) -> Option<Dictionary> {
    let trainer = Trainer::new(LEVEL);
    bodies.iter().for_each(|body| {
        trainer.observe(body, body.len());
    });
    trainer.train()
}
