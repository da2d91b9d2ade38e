//! A text to the rows of its words and pieces.

use std::collections::HashMap;

/// Bytes of a word that count.
const LONGEST_WORD: usize = 40;

/// The rows of a text's words, in order. `rows` knows every single character, as a word and as a piece.
pub(super) fn rows(text: &str, rows: &HashMap<Box<str>, u32>) -> Vec<u32> {
    let text = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for word in words(&text) {
        if let Some(row) = rows.get(word) {
            found.push(*row);
            continue;
        }
        for part in word.split(['+', '#', '.', '-']).filter(|part| !part.is_empty()) {
            match rows.get(part) {
                Some(row) => found.push(*row),
                None => pieces(part, rows, &mut found),
            }
        }
    }
    found
}

/// The leftmost longest matches of `[a-z0-9][a-z0-9+#.-]*`, without `.` and `-` at their ends, cut to 40 bytes.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let matches =
        text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '#' | '.' | '-')));
    matches.filter_map(|word| {
        // A match begins with a letter or a digit; what stands before it separates.
        let word = word.trim_start_matches(['+', '#', '.', '-']).trim_end_matches(['.', '-']);
        (!word.is_empty()).then(|| &word[..word.len().min(LONGEST_WORD)])
    })
}

/// Splits a part that is no word: the longest word at its beginning, then the longest pieces that follow.
fn pieces(part: &str, rows: &HashMap<Box<str>, u32>, found: &mut Vec<u32>) {
    let mut at = 0;
    while at < part.len() {
        let longest = (at + 1..=part.len()).rev().find_map(|end| {
            let stretch = &part[at..end];
            let row = if at == 0 { rows.get(stretch) } else { rows.get(&*format!("##{stretch}")) };
            row.map(|row| (*row, end))
        });
        // Single characters are all there, so there always is one.
        let Some((row, end)) = longest else { break };
        found.push(row);
        at = end;
    }
}
