//! Names of the data that an answer depends on.

use std::sync::Arc;

use smallvec::SmallVec;

/// A list of names in one piece of memory: it is read on every hit, when it is cold as often as not.
#[derive(Clone, PartialEq, Eq)]
pub struct Groups {
    text: Arc<str>,
    /// Where each name ends in `text`.
    ends: SmallVec<[u32; 4]>,
}

impl Groups {
    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start as usize..end as usize])
    }

    /// Memory held, in bytes.
    pub fn weight(&self) -> usize {
        self.text.len() + 16
    }
}

impl<S: AsRef<str>> FromIterator<S> for Groups {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let (mut text, mut ends) = (String::new(), SmallVec::new());
        for name in names {
            text.push_str(name.as_ref());
            ends.push(text.len() as u32);
        }
        Self { text: text.into(), ends }
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
