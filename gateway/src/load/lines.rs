//! Lines of a text input, with a bound on their length.

use std::io::{self, BufRead};

/// Longest line. A node with thousands of components and long texts stays far below.
pub(super) const MAX_LINE_BYTES: usize = 32 << 20;

/// One line.
pub(super) enum Line<'a> {
    /// Without its line end; not blank.
    Text(&'a [u8]),
    /// Longer than [`MAX_LINE_BYTES`]; skipped.
    TooLong,
}

/// Reads line after line; blank lines are numbered but not returned.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// The next line with its number, from 1. `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            self.buffer.clear();
            let Some(too_long) = self.read_line()? else { return Ok(None) };
            self.number += 1;
            if too_long {
                return Ok(Some((self.number, Line::TooLong)));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Text(self.buffer.trim_ascii()))));
            }
        }
    }

    /// Reads up to and with the next line end into the buffer, and says whether the line is too long (then the buffer
    /// holds its beginning). `None` at the end of the input.
    fn read_line(&mut self) -> io::Result<Option<bool>> {
        let mut started = false;
        let mut too_long = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(started.then_some(too_long));
            }
            started = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let line = &available[..end.unwrap_or(available.len())];
            too_long |= self.buffer.len() + line.len() > MAX_LINE_BYTES;
            if !too_long {
                self.buffer.extend_from_slice(line);
            }
            let used = line.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(too_long));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], capacity: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(capacity, text));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            all.push(match line {
                Line::Text(text) => (number, Some(String::from_utf8(text.to_vec()).unwrap())),
                Line::TooLong => (number, None),
            });
        }
        all
    }

    #[test]
    fn lines_are_the_same_wherever_the_buffer_ends() {
        for capacity in 1..8 {
            let lines = read(b"one\r\n\n  \ntwo\nthree", capacity);
            assert_eq!(lines, [(1, Some("one".into())), (4, Some("two".into())), (5, Some("three".into()))]);
        }
    }

    #[test]
    fn an_endless_line_is_skipped_and_the_next_one_read() {
        let mut text = vec![b'x'; MAX_LINE_BYTES + 1];
        text.extend_from_slice(b"\nshort\n");
        assert_eq!(read(&text, 1 << 16), [(1, None), (2, Some("short".into()))]);
    }
}
