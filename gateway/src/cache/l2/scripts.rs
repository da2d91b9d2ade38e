//! What Redis does in one step. Each script touches the things of one key only.

use std::time::Duration;

use redis::Value;

use super::names::{Names, Thing};
use crate::cache::{
    Digest,
    redis::{RedisError, RedisLink, Script},
};

/// A lease ends so long after its holder was last heard of, in milliseconds.
pub(super) const LEASE_MS: u64 = 2_000;

/// A fence is remembered so long after its holder was last heard of, in milliseconds. A holder that is resumed later than
/// that does not write: nobody knows any more whether there was another.
const FENCE_MS: u64 = 600_000;

/// As much of either end of an entry tells it from another of its length.
const ENDS: usize = 64;

/// The scripts.
pub(super) struct Scripts {
    link: RedisLink,
    names: Names,
    max_entry: u64,
    look: Script,
    renew: Script,
    release: Script,
    store: Script,
}

/// What a look at a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// An entry.
    Found(Vec<u8>),
    /// None, and it is the caller's to fill. Its number is above those of everyone before.
    Yours(Fence),
    /// None, and somebody fills it; the lease ends after this time if nothing is heard of them.
    Theirs(Duration),
}

/// The number of a lease, as Redis writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence(Vec<u8>);

/// An entry that was found and is of no use: a look passes over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refused(Option<Ends>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ends {
    length: usize,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Refused {
    /// This entry. Another one of the same length and ends is passed over, too; then somebody fills in vain.
    pub(super) fn entry(bytes: &[u8]) -> Self {
        let ends = ENDS.min(bytes.len());
        let (first, last) = (bytes[..ends].to_vec(), bytes[bytes.len() - ends..].to_vec());
        Self(Some(Ends { length: bytes.len(), first, last }))
    }
}

impl Scripts {
    /// Entries have at most `max_entry` bytes.
    pub(super) fn new(link: RedisLink, names: Names, max_entry: u64) -> Self {
        Self {
            link,
            names,
            max_entry,
            look: Script::new(include_str!("scripts/look.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
            store: Script::new(include_str!("scripts/store.lua")),
        }
    }

    /// Looks for an entry, and takes the lease where there is none. The second value says that what lies under the entry's
    /// name is something else, or too large.
    pub(super) async fn look(
        &self,
        key: &Digest,
        refused: &Refused,
        within: Duration,
    ) -> Result<(Look, bool), RedisError> {
        let (length, first, last) = match &refused.0 {
            Some(ends) => (ends.length.to_string(), &ends.first[..], &ends.last[..]),
            None => ("-1".into(), &[][..], &[][..]),
        };
        let things = [Thing::Entry, Thing::Lease, Thing::Fence];
        let arguments =
            [&decimal(LEASE_MS)[..], &decimal(FENCE_MS), &decimal(self.max_entry), length.as_bytes(), first, last];
        let reply = self.run(&self.look, key, &things, &arguments, within).await?;
        read_look(reply).ok_or_else(|| RedisError::Nonsense("that is no reply of this script".into()))
    }

    /// Makes a lease last longer; whether it is still this one's.
    pub(super) async fn renew(&self, key: &Digest, fence: &Fence, within: Duration) -> Result<bool, RedisError> {
        let arguments = [&fence.0[..], &decimal(LEASE_MS), &decimal(FENCE_MS)];
        let reply = self.run(&self.renew, key, &[Thing::Lease, Thing::Fence], &arguments, within).await?;
        Ok(reply == Value::Int(1))
    }

    /// Ends a lease, where it is still this one's.
    pub(super) async fn release(&self, key: &Digest, fence: &Fence, within: Duration) -> Result<(), RedisError> {
        self.run(&self.release, key, &[Thing::Lease], &[&fence.0[..]], within).await.map(drop)
    }

    /// Writes an entry and ends the lease, where nobody has a newer one; whether it did.
    pub(super) async fn store(
        &self,
        key: &Digest,
        fence: &Fence,
        entry: &[u8],
        ttl: Duration,
        within: Duration,
    ) -> Result<bool, RedisError> {
        let things = [Thing::Entry, Thing::Lease, Thing::Fence];
        let arguments = [&fence.0[..], entry, &decimal(ttl.as_millis() as u64)];
        Ok(self.run(&self.store, key, &things, &arguments, within).await? == Value::Int(1))
    }

    async fn run(
        &self,
        script: &Script,
        key: &Digest,
        things: &[Thing],
        arguments: &[&[u8]],
        within: Duration,
    ) -> Result<Value, RedisError> {
        let names: Vec<String> = things.iter().map(|&thing| self.names.of(key, thing)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.link.script(script, &names, arguments, within).await
    }
}

fn decimal(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// The reply of `look.lua`; `None` where it is something else.
fn read_look(reply: Value) -> Option<(Look, bool)> {
    let Value::Array(items) = reply else { return None };
    let mut items = items.into_iter();
    let (Value::BulkString(what), detail, odd) = (items.next()?, items.next()?, items.next()) else { return None };
    let look = match (&what[..], detail) {
        (b"found", Value::BulkString(bytes)) => Look::Found(bytes),
        (b"yours", Value::BulkString(fence)) => Look::Yours(Fence(fence)),
        (b"theirs", Value::Int(left)) => Look::Theirs(Duration::from_millis(u64::try_from(left).ok()?)),
        _ => return None,
    };
    Some((look, odd.is_some_and(|odd| odd != Value::Nil)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn replies_are_read_and_nonsense_is_none() {
        let read = |items: &[Value]| read_look(Value::Array(items.to_vec()));
        assert_eq!(read(&[text("found"), text("x")]), Some((Look::Found(b"x".to_vec()), false)));
        assert_eq!(read(&[text("yours"), text("7"), Value::Nil]), Some((Look::Yours(Fence(b"7".to_vec())), false)));
        let theirs = Look::Theirs(Duration::from_millis(3));
        assert_eq!(read(&[text("theirs"), Value::Int(3), text("odd")]), Some((theirs, true)));
        let nonsense: [&[Value]; 6] = [
            &[],
            &[text("found")],
            &[text("found"), Value::Int(1)],
            &[text("theirs"), Value::Int(-1)],
            &[text("lost"), text("x")],
            &[Value::Int(1), text("x")],
        ];
        for items in nonsense {
            assert_eq!(read(items), None, "{items:?}");
        }
        assert_eq!(read_look(text("found")), None);
    }

    #[test]
    fn an_entry_is_told_from_others_by_its_length_and_ends() {
        let entry = [7; 300];
        let mut other = entry;
        other[10] = 8;
        assert_eq!(Refused::entry(&entry), Refused::entry(&entry));
        assert_ne!(Refused::entry(&entry), Refused::entry(&other));
        assert_ne!(Refused::entry(&entry), Refused::entry(&entry[..299]));
        assert_ne!(Refused::entry(b""), Refused::default());
        assert_ne!(Refused::entry(b"ab"), Refused::entry(b"ac"));
    }
}
