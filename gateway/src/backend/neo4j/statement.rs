//! A statement with its parameters, and how long it may take.

use std::time::Duration;

use neo4rs::{BoltMap, BoltString, BoltType, Query};

/// A statement. Everything that comes from a query is a parameter; only names of the mapping are in the text.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    text: String,
    parameters: BoltMap,
}

impl Statement {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), parameters: BoltMap::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<BoltType>) -> Self {
        self.parameters.put(BoltString::from(name), value.into());
        self
    }

    /// Parameters that were collected beside the text.
    pub(super) fn with_all(mut self, parameters: Parameters) -> Self {
        for (name, value) in parameters.0 {
            self.parameters.put(BoltString::from(name), value);
        }
        self
    }

    /// Ready to be sent. The server ends the transaction after `limit`; `tag` is how it is found from outside: it
    /// travels as metadata of the transaction, so it costs no round trip and is no part of the text, by which the
    /// server finds the plan.
    pub(super) fn query(&self, tag: &str, limit: Duration) -> Query {
        let metadata: BoltMap = [(BoltString::from(super::connector::TAG), BoltType::from(tag))].into_iter().collect();
        let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX).max(1);
        self.plain().extra("tx_timeout", BoltType::from(limit)).extra("tx_metadata", BoltType::Map(metadata))
    }

    /// Without limit and tag, as part of a transaction that has its own.
    pub(super) fn plain(&self) -> Query {
        Query::new(self.text.clone()).with_params(self.parameters.clone())
    }
}

/// Parameters that are collected while a text is written.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, BoltType)>);

impl Parameters {
    /// Adds one and returns how the text names it.
    pub(super) fn add(&mut self, name: impl Into<String>, value: impl Into<BoltType>) -> String {
        let name = name.into();
        let named = format!("${name}");
        self.0.push((name, value.into()));
        named
    }
}
