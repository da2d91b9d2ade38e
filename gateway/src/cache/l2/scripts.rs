//! What Redis does in one step. Each script touches the things of one key only.

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use super::{
    link::{Link, Unanswered},
    names::{Names, Thing},
};
use crate::cache::Digest;

/// A lease ends so long after its holder was last heard of, in milliseconds.
pub(super) const LEASE_MS: u64 = 2_000;

/// A fence is remembered so long after its holder was last heard of, in milliseconds. A holder that is resumed later than
/// that does not write: nobody knows any more whether there was another.
const FENCE_MS: u64 = 600_000;

/// As much of either end of an entry tells it from another of its length.
const ENDS: usize = 64;

/// The scripts.
pub(super) struct Scripts {
    names: Names,
    look: Script,
    renew: Script,
    release: Script,
    store: Script,
}

/// A script and its digest, by which a server knows it that has run it.
struct Script {
    code: &'static str,
    digest: String,
}

/// What a look at a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// An entry.
    Found(Vec<u8>),
    /// None, and it is the caller's to fill. Its number is above those of everyone before.
    Yours(Fence),
    /// None, and somebody fills it; the lease ends after so many milliseconds if nothing is heard of them.
    Theirs(u64),
    /// None, and no lease is to be had: Redis is full, or a replica, or does not allow it.
    None(String),
}

/// The number of a lease, as Redis writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence(String);

/// An entry that was found and is of no use: a look passes over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refused {
    length: usize,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }
}

impl Refused {
    /// This entry. Another one of the same length and ends is passed over, too; then somebody fills in vain.
    pub(super) fn entry(bytes: &[u8]) -> Self {
        let ends = ENDS.min(bytes.len());
        let (first, last) = (bytes[..ends].to_vec(), bytes[bytes.len() - ends..].to_vec());
        Self { length: bytes.len(), first, last }
    }
}

impl Scripts {
    pub(super) fn new(names: Names) -> Self {
        Self {
            names,
            look: Script::new(include_str!("scripts/look.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
            store: Script::new(include_str!("scripts/store.lua")),
        }
    }

    /// Looks for an entry, and takes the lease where there is none. The second value says that what lies under the entry's
    /// name is something else.
    pub(super) async fn look(&self, link: &Link, key: &Digest, refused: &Refused) -> Result<(Look, bool), Unanswered> {
        // An entry of length 0 is none that was refused, but no entry either.
        let length = if *refused == Refused::default() { -1 } else { refused.length as i64 };
        let reply = self
            .run(&self.look, link, key, &[Thing::Entry, Thing::Lease, Thing::Fence], |command| {
                command.arg(LEASE_MS).arg(FENCE_MS).arg(length).arg(&refused.first).arg(&refused.last);
            })
            .await?;
        read_look(reply).ok_or(Unanswered::Nonsense)
    }

    /// Makes a lease last longer; whether it is still this one's.
    pub(super) async fn renew(&self, link: &Link, key: &Digest, fence: &Fence) -> Result<bool, Unanswered> {
        let reply = self
            .run(&self.renew, link, key, &[Thing::Lease, Thing::Fence], |command| {
                command.arg(&fence.0).arg(LEASE_MS).arg(FENCE_MS);
            })
            .await?;
        Ok(reply == Value::Int(1))
    }

    /// Ends a lease, where it is still this one's.
    pub(super) async fn release(&self, link: &Link, key: &Digest, fence: &Fence) -> Result<(), Unanswered> {
        let reply = self.run(&self.release, link, key, &[Thing::Lease], |command| {
            command.arg(&fence.0);
        });
        reply.await.map(drop)
    }

    /// Writes an entry and ends the lease, where nobody has a newer one; whether it did.
    pub(super) async fn store(
        &self,
        link: &Link,
        key: &Digest,
        fence: &Fence,
        entry: &[u8],
        ttl_ms: u64,
    ) -> Result<bool, Unanswered> {
        let reply = self
            .run(&self.store, link, key, &[Thing::Entry, Thing::Lease, Thing::Fence], |command| {
                command.arg(&fence.0).arg(entry).arg(ttl_ms);
            })
            .await?;
        Ok(reply == Value::Int(1))
    }

    /// Runs a script by its digest, and in full where the server does not know it: that goes to the node that has the key,
    /// while loading it would need all of them.
    async fn run(
        &self,
        script: &Script,
        link: &Link,
        key: &Digest,
        things: &[Thing],
        arguments: impl Fn(&mut Cmd),
    ) -> Result<Value, Unanswered> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(things.len());
            for &thing in things {
                command.arg(self.names.of(key, thing));
            }
            arguments(&mut command);
            command
        };
        match link.ask(&command("EVALSHA", &script.digest)).await {
            Err(Unanswered::Refused(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                link.ask(&command("EVAL", script.code)).await
            }
            answered => answered,
        }
    }
}

/// The reply of `look.lua`; `None` where it is something else.
fn read_look(reply: Value) -> Option<(Look, bool)> {
    let Value::Array(items) = reply else { return None };
    let mut items = items.into_iter();
    let (what, detail, odd) = (items.next()?, items.next()?, items.next());
    let text = |value: Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    let look = match (text(what)?.as_str(), detail) {
        ("found", Value::BulkString(bytes)) => Look::Found(bytes),
        ("yours", fence) => Look::Yours(Fence(text(fence)?)),
        ("theirs", Value::Int(left)) => Look::Theirs(u64::try_from(left).ok()?),
        ("none", why) => Look::None(text(why)?),
        _ => return None,
    };
    Some((look, odd.is_some_and(|odd| odd != Value::Nil)))
}
