//! What the cache holds before a group runs.

use serde_json::{Map, Value as Json, json};

use crate::record::CacheState;

/// A state of the cache, as far as one query is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(super) enum State {
    /// Nothing.
    Cold,
    /// The reached ids of its walk.
    Reach,
    /// The ranked list of its vector.
    List,
    /// Both.
    Both,
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Reach => "reach",
            Self::List => "list",
            Self::Both => "both",
        }
    }

    pub(super) fn wanted(self) -> CacheState {
        CacheState { reach: matches!(self, Self::Reach | Self::Both), list: matches!(self, Self::List | Self::Both) }
    }

    /// Whether a query has the parts that are to be in the cache.
    pub(super) fn applies(self, query: &Map<String, Json>) -> bool {
        let CacheState { reach, list } = self.wanted();
        (!reach || query.contains_key("within")) && (!list || query.contains_key("vector"))
    }

    /// Queries that leave behind what is to be in the cache: the same walk without filter and vector; the same vector
    /// without filter and walk. Answers of the query itself would do more than that.
    pub(super) fn warming(self, query: &Map<String, Json>) -> Vec<Json> {
        let CacheState { reach, list } = self.wanted();
        let part = |names: &[&str]| -> Map<String, Json> {
            names.iter().filter_map(|name| Some(((*name).to_owned(), query.get(*name)?.clone()))).collect()
        };
        let mut warming = Vec::new();
        if reach {
            let mut walk = part(&["collection", "within"]);
            walk.insert("limit".into(), json!(1));
            walk.insert("options".into(), json!({ "plan": "graph-first", "variant": 1 }));
            warming.push(walk.into());
        }
        if list {
            let mut ranked = part(&["collection", "vector", "exact", "limit", "offset"]);
            ranked.insert("options".into(), json!({ "plan": "vector-first" }));
            warming.push(ranked.into());
        }
        for query in &mut warming {
            let query: &mut Json = query;
            query["select"] = json!([]);
        }
        warming
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_warmed_by_parts_of_itself_only() {
        let query = json!({ "collection": "c", "vector": { "like": "a" }, "filter": { "x": 1 }, "within": { "from": ["b"] }, "exact": true });
        let query = query.as_object().unwrap();
        assert!(State::Cold.warming(query).is_empty());
        let both = State::Both.warming(query);
        assert_eq!(both.len(), 2);
        assert!(both.iter().all(|warming| warming.get("filter").is_none()));
        assert!(both[0].get("vector").is_none() && both[1].get("within").is_none());
        assert_eq!(both[1]["exact"], json!(true));
    }

    #[test]
    fn a_state_needs_the_parts_that_it_is_about() {
        let ranked = json!({ "vector": { "like": "a" } });
        let applies: Vec<bool> = [State::Cold, State::Reach, State::List, State::Both]
            .map(|state| state.applies(ranked.as_object().unwrap()))
            .to_vec();
        assert_eq!(applies, [true, false, true, false]);
    }
}
