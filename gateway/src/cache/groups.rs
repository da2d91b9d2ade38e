//! Names of the data that an answer depends on.

use smallvec::SmallVec;

/// A list of names in one piece of memory: it is read on every hit, when it is cold as often as not. A short one has none of its
/// own, so that a copy counts no references.
#[derive(PartialEq, Eq)]
pub struct Groups {
    text: SmallVec<[u8; 48]>,
    /// Where each name ends in `text`.
    ends: SmallVec<[u32; 4]>,
}

impl Clone for Groups {
    fn clone(&self) -> Self {
        Self { text: SmallVec::from_slice(&self.text), ends: SmallVec::from_slice(&self.ends) }
    }
}

impl Groups {
    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let text = str::from_utf8(&self.text).expect("names, one after the other");
        starts.zip(&self.ends).map(move |(start, &end)| &text[start as usize..end as usize])
    }

    /// Memory held, in bytes.
    pub fn weight(&self) -> usize {
        self.text.len() + 16
    }
}

impl<S: AsRef<str>> FromIterator<S> for Groups {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let (mut text, mut ends) = (SmallVec::new(), SmallVec::new());
        for name in names {
            text.extend_from_slice(name.as_ref().as_bytes());
            ends.push(text.len() as u32);
        }
        Self { text, ends }
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were_whatever_is_in_them() {
        let names = ["packages", "", "packages;id=a\n\"b\"", "ü"];
        assert_eq!(names.iter().collect::<Groups>().iter().collect::<Vec<_>>(), names);
        assert!(Groups::from_iter([""; 0]).is_empty());
    }
}
