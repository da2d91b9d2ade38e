//! Identifiers: they come from the configuration only, and are always quoted.

/// One identifier, quoted: a column.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A configured table, quoted: `schema.table` or `table`. Dots inside double quotes belong to the name, as in
/// `"my.schema".table`; letters are taken as they are written.
pub(crate) fn quoted_table(table: &str) -> String {
    parts(table).iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

/// The parts of a configured table's name, without quotes.
pub(crate) fn parts(table: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    let mut characters = table.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                parts.last_mut().expect("starts with one").push('"');
            }
            '"' => inside = !inside,
            '.' if !inside => parts.push(String::new()),
            other => parts.last_mut().expect("starts with one").push(other),
        }
    }
    parts
}

/// A text constant of the configuration, quoted.
pub(crate) fn literal(text: &str) -> String {
    // With a backslash the meaning of '…' depends on a setting of the server; E'…' always means the same.
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_gets_out_of_its_quotes() {
        assert_eq!(quoted("size"), r#""size""#);
        assert_eq!(quoted(r#"a"; DROP TABLE x; --"#), r#""a""; DROP TABLE x; --""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"\' OR true"), r"E'\\'' OR true'");
    }

    #[test]
    fn a_table_is_split_at_dots_outside_quotes() {
        assert_eq!(quoted_table("packages"), r#""packages""#);
        assert_eq!(quoted_table("public.Packages"), r#""public"."Packages""#);
        assert_eq!(quoted_table(r#""my.schema"."a""b""#), r#""my.schema"."a""b""#);
    }
}
