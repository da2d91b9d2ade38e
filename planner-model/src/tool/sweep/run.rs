//! The sweep itself.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use indicatif::ProgressBar;
use serde_json::{Map, Value as Json, json};

use super::{
    super::{Failure, client::Client, output},
    Args,
    group::{Names, Skip, Swept, Task, Trouble, now_ms},
    journal::{Done, Journal, Setting},
    safety,
    state::State,
};

/// A group that is reported as strange is named; of many only the first.
const NAMED: usize = 5;

/// What happened so far in this run of the command.
#[derive(Default)]
struct Tally {
    groups: usize,
    runs: usize,
    skipped: BTreeMap<String, usize>,
    disagreed: Vec<String>,
    compared: usize,
}

struct Sweep<'a> {
    args: &'a Args,
    token: Option<&'a str>,
    queries: Vec<Map<String, Json>>,
    journal: Mutex<Journal>,
    tally: Mutex<Tally>,
    next: AtomicUsize,
    bar: ProgressBar,
}

pub(super) async fn run(args: &Args, token: Option<&str>) -> Result<(), Failure> {
    let gateway = Client::new(&args.url, token)?;
    let mut admin = Client::new(&args.admin_url, None)?;
    let doubts = safety::doubts(&gateway, &mut admin).await;
    if !doubts.is_empty() && !args.yes {
        let doubts = doubts.join("; ");
        return Err(Failure::Usage(format!(
            "this may be a gateway that others depend on: {doubts}. `--yes` sweeps it nevertheless"
        )));
    }
    std::fs::create_dir_all(&args.out).map_err(Failure::of_file(&args.out))?;
    let queries = args.source.read(&args.out, args.seed)?;
    let setting = Setting::new(&queries, args.repetitions, args.deadline_ms, args.seed);
    let journal = Journal::open(&args.out, &setting)?;

    let states = |query: &Map<String, Json>| args.states.iter().filter(|state| state.applies(query)).count();
    let bar = output::bar(queries.iter().map(|query| states(query) as u64).sum(), "sweep");
    purge(&mut admin).await?;
    let sweep = Sweep {
        args,
        token,
        queries,
        journal: Mutex::new(journal),
        tally: Mutex::default(),
        next: AtomicUsize::new(0),
        bar,
    };
    let workers = (0..args.concurrency.get()).map(|_| sweep.work());
    let ended = join_all(workers).await;
    sweep.bar.finish_and_clear();
    sweep.report()?;
    ended
}

/// Waits for all; the first failure.
async fn join_all(workers: impl Iterator<Item = impl Future<Output = Result<(), Failure>>>) -> Result<(), Failure> {
    let mut workers: Vec<_> = workers.map(Box::pin).collect();
    let mut ended = Ok(());
    std::future::poll_fn(|context| {
        workers.retain_mut(|worker| match worker.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(result) => {
                if ended.is_ok() {
                    ended = result;
                }
                false
            }
        });
        // Others would go on in vain.
        if workers.is_empty() || ended.is_err() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    ended
}

async fn purge(admin: &mut Client) -> Result<(), Failure> {
    let answer = admin.post("/v1/cache/purge", &json!({ "all": true })).await?;
    if answer.status.is_success() { Ok(()) } else { Err(Failure::Other(format!("cannot purge: {}", answer.problem()))) }
}

impl Sweep<'_> {
    /// Takes queries until there are no more.
    async fn work(&self) -> Result<(), Failure> {
        let mut client = Client::new(&self.args.url, self.token)?;
        let mut admin = Client::new(&self.args.admin_url, None)?;
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(query) = self.queries.get(index) else { return Ok(()) };
            for &state in self.args.states.iter().filter(|state| state.applies(query)) {
                if !self.journal().is_done(index, state) {
                    self.group(index, query, state, &mut client, &mut admin).await?;
                }
                self.bar.inc(1);
            }
        }
    }

    async fn group(
        &self,
        index: usize,
        query: &Map<String, Json>,
        state: State,
        client: &mut Client,
        admin: &mut Client,
    ) -> Result<(), Failure> {
        let task = Task {
            query,
            state,
            repetitions: self.args.repetitions,
            deadline_ms: self.args.deadline_ms,
            seed: self.args.seed,
        };
        let done = Done { query: index, state: state.as_str().into(), runs: 0, skipped: None, disagreed: Vec::new() };
        // An earlier attempt may have left records under its own name.
        let attempt = now_ms();
        let result = match self.warm(query, state, client).await {
            Ok(()) => {
                let names = |plan: &super::report::Report| {
                    let journal = self.journal();
                    Names {
                        query: journal.digest("query", &plan.canonical),
                        template: journal.digest("template", &plan.template),
                        group: journal.digest("group", &format!("{} {} {attempt}", plan.canonical, state.as_str())),
                    }
                };
                task.run(client, names).await
            }
            Err(skip) => Err(skip.into()),
        };
        if state != State::Cold {
            purge(admin).await?;
        }
        match result {
            Ok(swept) => self.keep(done, &swept, task.query),
            Err(Trouble::Skip(skip)) => {
                let reason = skip.to_string();
                let kind = reason.split(':').next().unwrap_or_default().to_owned();
                *self.tally().skipped.entry(kind).or_default() += 1;
                self.journal().finish(Done { skipped: Some(reason), ..done }, &[], None)
            }
            Err(Trouble::Stop(failure)) => Err(failure),
        }
    }

    fn keep(&self, done: Done, swept: &Swept, query: &Map<String, Json>) -> Result<(), Failure> {
        let mut tally = self.tally();
        tally.groups += 1;
        tally.runs += swept.records.len();
        tally.compared += usize::from(query.get("exact").and_then(Json::as_bool).unwrap_or(false));
        if !swept.disagreed.is_empty() {
            tally.disagreed.push(format!("query {} ({}): {}", done.query, done.state, swept.disagreed.join(", ")));
        }
        drop(tally);
        let done = Done { runs: swept.records.len(), disagreed: swept.disagreed.clone(), ..done };
        let template = swept.records.first().map(|record| record.template.as_str());
        self.journal().finish(done, &swept.records, template.map(|template| (template, swept.words.as_str())))
    }

    async fn warm(&self, query: &Map<String, Json>, state: State, client: &mut Client) -> Result<(), Skip> {
        for warming in state.warming(query) {
            match client.post("/v1/query", &warming).await {
                Ok(answer) if answer.status.is_success() => {}
                Ok(answer) => return Err(Skip::Refused(answer.problem())),
                Err(error) => return Err(Skip::Backend(error.to_string())),
            }
        }
        Ok(())
    }

    fn report(&self) -> Result<(), Failure> {
        let Tally { groups, runs, skipped, disagreed, compared } = &*self.tally();
        let mut text = format!("{groups} groups with {runs} runs in {}\n", self.args.out.display());
        for (why, count) in skipped {
            text += &format!("{count} groups passed over: {why}\n");
        }
        text +=
            &format!("{compared} groups of exact queries: {} with candidates whose items differ\n", disagreed.len());
        for one in disagreed.iter().take(NAMED) {
            text += &format!("  {one}\n");
        }
        output::print(&text)
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().expect("nothing panics while it is held")
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().expect("nothing panics while it is held")
    }
}
