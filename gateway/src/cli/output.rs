//! Standard output, and tables on it.

use std::io::{ErrorKind, Write as _};

use comfy_table::{Cell, ContentLineStyle, LineStyle, Table, TableStyle};

use super::Failure;

/// Longest cell, in characters.
const WIDEST: usize = 60;

/// Writes to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes to standard output.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::Other(format!("standard output: {error}")),
    })
}

/// Columns of text under a rule.
const STYLE: TableStyle = TableStyle::new()
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .content_lines(ContentLineStyle::none());

/// An empty table with this header.
pub(super) fn table<T: Into<Cell>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header.into_iter().map(Into::into).collect::<Vec<Cell>>());
    table
}

/// A text that fits into a cell: one line, cut where it is too long, without control characters.
pub(super) fn cell(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((cut, _)) = line.char_indices().nth(WIDEST) {
        line.truncate(cut);
        line.push('…');
    }
    line
}
