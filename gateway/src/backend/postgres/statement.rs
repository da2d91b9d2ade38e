//! Statements as they are put together: text from the configuration, values bound.

use std::fmt;

use sqlx::{Arguments, Encode, Postgres, Type, postgres::PgArguments};

/// A statement and the values that are bound to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement {
    text: String,
    arguments: PgArguments,
    /// A value that cannot be sent.
    failure: Option<String>,
}

impl Statement {
    /// A statement that begins with this text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Appends text; nothing that comes from a request.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Binds a value and appends its place.
    pub(crate) fn bind<'q, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        let place = self.argument(value);
        self.push(&place)
    }

    /// Binds a value and returns its place, `$1` for the first.
    pub(crate) fn argument<'q, T>(&mut self, value: T) -> String
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.failure.get_or_insert_with(|| error.to_string());
        }
        format!("${}", self.arguments.len())
    }

    /// The text so far.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Appends a whole statement; nothing is bound to this one yet.
    #[cfg(test)]
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.text.push_str(&other.text);
        self.arguments = other.arguments.clone();
        self.failure.clone_from(&other.failure);
        self
    }

    /// What is sent: the text and the values, or why they cannot be sent.
    pub(super) fn parts(&self) -> Result<(String, PgArguments), String> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok((self.text.clone(), self.arguments.clone())),
        }
    }
}

impl fmt::Write for Statement {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.push_str(text);
        Ok(())
    }
}
