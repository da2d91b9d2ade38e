//! A gateway that explains three candidates of whatever it is asked, and remembers what it was warmed with. The real one does
//! not go away in the middle of a group when it is told to.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use planner_model::Feature;
use serde_json::{Value as Json, json};

#[derive(Default)]
struct Inner {
    /// Measured runs until it closes connections instead of answering.
    left: AtomicUsize,
    lies: AtomicBool,
    principals: AtomicBool,
    one_plan: AtomicBool,
    purges: AtomicUsize,
    warm: Mutex<HashSet<&'static str>>,
}

pub(crate) struct StandIn {
    inner: Arc<Inner>,
    url: String,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let inner = Arc::new(Inner { left: AtomicUsize::new(usize::MAX), ..Inner::default() });
        let serving = inner.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = serving.clone();
                thread::spawn(move || serve(&inner, stream));
            }
        });
        Self { inner, url }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn fall_silent_after(&self, runs: usize) {
        self.inner.left.store(runs, SeqCst);
    }

    pub(crate) fn recover(&self) {
        self.inner.left.store(usize::MAX, SeqCst);
    }

    /// From now on one candidate has other items.
    pub(crate) fn lie(&self) {
        self.inner.lies.store(true, SeqCst);
    }

    pub(crate) fn has_principals(&self) {
        self.inner.principals.store(true, SeqCst);
    }

    pub(crate) fn has_one_plan(&self) {
        self.inner.one_plan.store(true, SeqCst);
    }

    pub(crate) fn purges(&self) -> usize {
        self.inner.purges.load(SeqCst)
    }
}

/// Answers requests of one connection until it closes, or there is to be no answer.
fn serve(inner: &Inner, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.trim().is_empty() {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        let Some(answer) = inner.answer(path, &serde_json::from_slice(&body).unwrap_or_default()) else { return };
        let answer = answer.to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes())).is_err() {
            return;
        }
    }
}

impl Inner {
    fn answer(&self, path: &str, query: &Json) -> Option<Json> {
        if self.left.load(SeqCst) == 0 {
            return None;
        }
        match path {
            "/v1/config" => {
                let principals = if self.principals.load(SeqCst) { json!([{ "name": "ann" }]) } else { json!([]) };
                Some(json!({ "principals": principals, "cache": { "l2": null, "l3": null } }))
            }
            "/v1/cache/purge" => {
                self.purges.fetch_add(1, SeqCst);
                self.warm.lock().expect("unpoisoned").clear();
                Some(json!({}))
            }
            _ if query["options"]["cache"] != "look" => {
                let leg = if query.get("within").is_some() { "reach" } else { "list" };
                self.warm.lock().expect("unpoisoned").insert(leg);
                Some(json!({ "items": [] }))
            }
            "/v1/explain" => Some(self.explained(query, false)),
            _ => {
                let left = self.left.load(SeqCst);
                self.left.store(left.saturating_sub(usize::from(left < usize::MAX)), SeqCst);
                Some(self.explained(query, true))
            }
        }
    }

    fn explained(&self, query: &Json, ran: bool) -> Json {
        let plans = ["vector-first", "graph-first", "parallel"];
        let features: serde_json::Map<String, Json> =
            Feature::ALL.iter().map(|feature| (feature.name().to_owned(), json!(0.5))).collect();
        let count = if self.one_plan.load(SeqCst) { 1 } else { plans.len() };
        let candidates: Vec<Json> = plans[..count]
            .iter()
            .map(|plan| {
                json!({
                    "plan": plan, "variant": 1, "operators": format!("{plan}()"), "predicted_us": 10.0,
                    "analytic_us": 10.0, "times_best": 1.0, "features": features,
                })
            })
            .collect();
        let mut cached: Vec<&str> = self.warm.lock().expect("unpoisoned").iter().copied().collect();
        cached.sort_unstable();
        let lies = self.lies.load(SeqCst) && query["options"]["plan"] == "parallel";
        let items = json!([{ "id": if lies { "b" } else { "a" }, "score": if lies { 0.4 } else { 0.5 } }]);
        let mut plan = json!({
            "model": "analytic", "canonical": query["vector"].to_string(), "template": "a vector within a walk",
            "statistics": [1, 1], "candidates": candidates, "cached": cached,
            "estimates": { "rows": 10.0, "selectivity": [0.0, 0.5, 1.0], "reach": 2.0, "edges": 3.0, "matches": 1.0 },
        });
        if ran {
            plan["ranked_ms"] = json!(1.5);
            plan["steps_ms"] = json!({ "execute": 2.0 });
            plan["operators"] = json!([{
                "operator": "Reach", "rows_in": 0, "rows_out": 2, "examined": 3, "calls": 1, "ms": 0.5,
            }]);
        }
        json!({ "items": items, "plan": plan })
    }
}
