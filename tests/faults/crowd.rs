//! Clients that ask recorded questions again and again, and hold every reply against the contract: the recorded answer or
//! an honest error, in time.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use forebay::{
    cli::client::{Client, Response},
    demo_data::{self, DemoQuery},
};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{ids, stores::Served};

/// How much later than its deadline a reply may come: it has to be written and read on a busy machine.
const GRACE: Duration = Duration::from_secs(3);

/// How long a client that got an error waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

/// The recorded questions.
pub(crate) static QUESTIONS: LazyLock<Vec<DemoQuery>> = LazyLock::new(demo_data::queries);

/// How a crowd asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) deadline: Duration,
    pub(crate) plan: Option<&'static str>,
    /// Otherwise an answer is right if it has as many items as there should be.
    pub(crate) exact: bool,
}

impl Asking {
    pub(crate) fn within(deadline: Duration) -> Self {
        Self { deadline, plan: None, exact: true }
    }

    /// The body of a question, not answered from the cache.
    pub(crate) fn body(self, question: &DemoQuery) -> Value {
        let mut body = question.body();
        body["exact"] = json!(self.exact);
        body["options"] = json!({ "cache": "bypass", "deadline_ms": self.deadline.as_millis() as u64 });
        if let Some(plan) = self.plan {
            body["options"]["plan"] = json!(plan);
        }
        body
    }
}

/// What a client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// 503.
    Unavailable,
    /// 504.
    Late,
    /// 502.
    Failed,
    /// The plan asked for is none for this question.
    NotApplicable,
}

/// Asks one question.
///
/// # Panics
/// The reply breaks the contract.
pub(crate) async fn ask(client: &mut Client, question: &DemoQuery, asking: Asking) -> Verdict {
    let body = asking.body(question).to_string();
    let asked = Instant::now();
    let reply =
        tokio::time::timeout(asking.deadline + GRACE, client.send(Method::POST, "/v1/query", body.into())).await;
    let reply = reply.unwrap_or_else(|_| panic!("{}: nothing after {:?}", question.qid, asked.elapsed()));
    verdict(question, &reply.expect("the gateway answers"), asking.exact)
}

/// What a reply is.
///
/// # Panics
/// It is neither the recorded answer nor an honest error.
pub(crate) fn verdict(question: &DemoQuery, reply: &Response, exact: bool) -> Verdict {
    let body = crate::support::json(reply);
    if reply.status == 200 {
        let given = ids(&body);
        let right = if exact { question.accepts(given) } else { given.len() == question.expected.len() };
        assert!(right, "{}: a wrong answer: {body}", question.qid);
        return Verdict::Right;
    }
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{body}");
    if body["code"] == "plan-not-applicable" {
        return Verdict::NotApplicable;
    }
    let detail = body["detail"].as_str().expect("a detail");
    assert!(detail.contains("backend pg") || detail.contains("backend neo4j"), "it names no backend: {body}");
    assert_eq!(body["retryable"], true, "{body}");
    match reply.status.as_u16() {
        503 => {
            let after = reply.headers["retry-after"].to_str().expect("a number");
            assert!(after.parse::<u64>().is_ok(), "Retry-After: {after}");
            Verdict::Unavailable
        }
        504 => Verdict::Late,
        502 => Verdict::Failed,
        other => panic!("{other} is not honest: {body}"),
    }
}

/// How many replies of each kind there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) right: u64,
    pub(crate) unavailable: u64,
    pub(crate) late: u64,
    pub(crate) failed: u64,
}

impl Counts {
    pub(crate) fn errors(self) -> u64 {
        self.unavailable + self.late + self.failed
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            right: self.right - before.right,
            unavailable: self.unavailable - before.unavailable,
            late: self.late - before.late,
            failed: self.failed - before.failed,
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    right: AtomicU64,
    unavailable: AtomicU64,
    late: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    fn count(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Right => &self.right,
            Verdict::Unavailable => &self.unavailable,
            Verdict::Late => &self.late,
            Verdict::Failed => &self.failed,
            Verdict::NotApplicable => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            right: self.right.load(Relaxed),
            unavailable: self.unavailable.load(Relaxed),
            late: self.late.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}

/// Clients that ask until they are stopped, or so many questions each.
pub(crate) struct Crowd {
    tally: Arc<Tally>,
    stopped: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// So many clients, each with a connection of its own, which begin at different questions.
    pub(crate) fn start(served: &Served, size: usize, each: usize, asking: Asking) -> Self {
        let (tally, stopped) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let clients = (0..size).map(|number| {
            let (tally, stopped, mut client) = (tally.clone(), stopped.clone(), served.client());
            tokio::spawn(async move {
                let questions = QUESTIONS.iter().cycle().skip(number * QUESTIONS.len() / size);
                for question in questions.take(each) {
                    if stopped.load(Relaxed) {
                        return;
                    }
                    let verdict = ask(&mut client, question, asking).await;
                    tally.count(verdict);
                    if verdict != Verdict::Right {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            })
        });
        Self { clients: clients.collect(), tally, stopped }
    }

    /// The replies until now.
    pub(crate) fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Whether no client asks any more.
    pub(crate) fn is_done(&self) -> bool {
        self.clients.iter().all(JoinHandle::is_finished)
    }

    /// Waits until each client has had all its replies.
    pub(crate) async fn finish(self) -> Counts {
        for client in self.clients {
            client.await.expect("every reply keeps the contract");
        }
        self.tally.counts()
    }

    /// Lets everybody ask what they are asking to the end.
    pub(crate) async fn stop(self) -> Counts {
        self.stopped.store(true, Relaxed);
        self.finish().await
    }
}
