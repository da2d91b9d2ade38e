//! RFC 6901 pointers.

/// One step from an object or array to what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A member of an object.
    Key(&'a str),
    /// An element of an array.
    Index(usize),
}

/// Longest key, in bytes, that a pointer repeats. An answer should not carry a client's megabytes back to it, so a
/// pointer ends at the object that holds a longer one.
const LONGEST_KEY: usize = 256;

/// The pointer that these steps make, from the root on.
pub(super) fn render<'a>(steps: impl IntoIterator<Item = Step<'a>>) -> String {
    let mut pointer = String::new();
    for step in steps {
        match step {
            Step::Key(key) if key.len() > LONGEST_KEY => break,
            Step::Key(key) => {
                pointer.push('/');
                for c in key.chars() {
                    match c {
                        '~' => pointer.push_str("~0"),
                        '/' => pointer.push_str("~1"),
                        other => pointer.push(other),
                    }
                }
            }
            Step::Index(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilde_and_slash_are_escaped() {
        assert_eq!(render([Step::Key("a/b~c"), Step::Index(3), Step::Key("")]), "/a~1b~0c/3/");
        assert_eq!(render([]), "");
    }

    #[test]
    fn a_pointer_does_not_repeat_a_huge_key() {
        let huge = "x".repeat(LONGEST_KEY + 1);
        assert_eq!(render([Step::Key("a"), Step::Key(&huge), Step::Key("b")]), "/a");
    }
}
