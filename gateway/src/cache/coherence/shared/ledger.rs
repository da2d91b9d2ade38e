//! What is in Redis: names, scripts, and what they give.

use std::collections::BTreeMap;

use crate::cache::{EpochTable, redis::Script};

/// The version of all this. Gateways of another version have a ledger of their own.
const VERSION: u32 = 1;

/// The field of the epoch of everything.
pub(super) const ALL: &str = "all";

/// The names of what belongs to a prefix. The braces keep it together in a cluster.
pub(super) struct Names {
    /// A hash: `incarnation`, `server`, `seq`, and the epochs that are not 0: of everything as `all`, of slots by number.
    pub(super) ledger: String,
    /// A hash: `incarnation`, and a [`Holder`] for each gateway.
    pub(super) gateways: String,
    /// The channel of [`Message`]s.
    pub(super) channel: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let stem = format!("{{{prefix}:epochs:{VERSION}}}");
        Self { ledger: format!("{stem}:table"), gateways: format!("{stem}:gateways"), channel: format!("{stem}:bumps") }
    }
}

/// What each script begins with: another incarnation (the second argument), if this server has not kept the present one
/// from its beginning. `allow-oom`: the ledger is small, and a full server must not keep bumps from being counted.
macro_rules! script {
    ($body:literal) => {
        Script::new(concat!(
            r"#!lua flags=allow-oom
local ledger, gateways, channel, fresh = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local known = redis.call('HMGET', ledger, 'incarnation', 'server', 'seq')
local incarnation, seq = known[1], known[3]
local function begin()
    redis.call('DEL', ledger, gateways)
    redis.call('HSET', ledger, 'incarnation', fresh, 'server', server, 'seq', '0')
    redis.call('HSET', gateways, 'incarnation', fresh)
    redis.call('PUBLISH', channel, fresh .. ' 0')
    incarnation, seq = fresh, '0'
end
if not incarnation or not seq or known[2] ~= server or redis.call('HGET', gateways, 'incarnation') ~= incarnation then
    begin()
end
",
            $body
        ))
    };
}

/// The scripts. All take the two keys, the channel, and an incarnation to begin if one has to be.
pub(super) struct Scripts {
    /// Gateway, incarnation and number of what it has taken over, a counter → [`Renewal`].
    pub(super) renew: Script,
    /// Fields of epochs → [`Counted`].
    pub(super) bump: Script,
    /// → [`Holders`].
    pub(super) holders: Script,
    /// Incarnation, gateway, its [`Holder`] as it was, …: takes out those that are still like that.
    pub(super) forget: Script,
    /// Gateway.
    pub(super) leave: Script,
    /// Incarnation: begins another, if it is still this one.
    pub(super) restart: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            renew: script!(
                r"local seen = ARGV[4] == incarnation and ARGV[5] or '-1'
redis.call('HSET', gateways, ARGV[3], seen .. ' ' .. ARGV[6])
local time = redis.call('TIME')
return { incarnation, seq, time[1], time[2] }"
            ),
            bump: script!(
                r"local moved = {}
for i = 3, #ARGV do
    moved[#moved + 1] = ARGV[i] .. ':' .. redis.call('HINCRBY', ledger, ARGV[i], 1)
end
seq = redis.call('HINCRBY', ledger, 'seq', 1)
local message = incarnation .. ' ' .. seq .. ' ' .. table.concat(moved, ' ')
redis.call('PUBLISH', channel, message)
return { message, redis.call('HGETALL', gateways) }"
            ),
            holders: script!("return { incarnation, redis.call('HGETALL', gateways) }"),
            forget: script!(
                r"if ARGV[3] == incarnation then
    for i = 4, #ARGV, 2 do
        if redis.call('HGET', gateways, ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', gateways, ARGV[i]) end
    end
end
return 0"
            ),
            leave: script!("return redis.call('HDEL', gateways, ARGV[3])"),
            restart: script!("if ARGV[3] == incarnation then begin() end return 0"),
        }
    }
}

/// A place in the history of bumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) incarnation: u64,
    /// Bumps that were counted in this incarnation.
    pub(super) seq: u64,
}

/// What a renewal gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Renewal {
    /// Where the ledger is.
    pub(super) at: Position,
    /// The server's clock, in milliseconds since 1970.
    pub(super) time: u64,
}

/// What is said in the channel: one bump, or, with the number 0, that an incarnation began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) at: Position,
    pub(super) moved: Vec<Moved>,
}

/// An epoch that moved, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    All(u64),
    Slot(u16, u64),
}

/// What a gateway that has, or had, a lease said with its last renewal: the number of the last bump that it has taken over,
/// and a counter that makes it another text each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder(pub(super) String);

/// Gateways by their names.
pub(super) type Holders = BTreeMap<String, Holder>;

/// What a bump gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) message: Message,
    pub(super) holders: Holders,
}

/// A whole ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) seq: u64,
    pub(super) table: EpochTable,
}

/// What was read from Redis is not what this version writes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared epochs are not as they are written")]
pub(super) struct Garbled;

impl Holder {
    pub(super) fn has(&self, seq: u64) -> bool {
        self.0.split(' ').next().and_then(|seen| seen.parse().ok()).is_some_and(|seen: u64| seen >= seq)
    }
}

impl Renewal {
    pub(super) fn read((incarnation, seq, seconds, micros): (u64, u64, u64, u64)) -> Self {
        let time = seconds.saturating_mul(1000).saturating_add(micros / 1000);
        Self { at: Position { incarnation, seq }, time }
    }
}

impl Message {
    /// `7 42 all:3 512:9`: incarnation 7, bump 42, the epoch of everything is 3, that of slot 512 is 9.
    pub(super) fn read(text: &[u8]) -> Result<Self, Garbled> {
        let text = std::str::from_utf8(text).map_err(|_| Garbled)?;
        let mut words = text.split_ascii_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or(Garbled);
        let at = Position { incarnation: number()?, seq: number()? };
        let moved = words.map(|word| {
            let (field, epoch) = word.split_once(':').ok_or(Garbled)?;
            let epoch = epoch.parse().map_err(|_| Garbled)?;
            Ok(match field {
                ALL => Moved::All(epoch),
                slot => Moved::Slot(slot.parse().map_err(|_| Garbled)?, epoch),
            })
        });
        Ok(Self { at, moved: moved.collect::<Result<_, _>>()? })
    }
}

/// The gateways of a hash, its own field left out.
pub(super) fn holders(fields: BTreeMap<String, String>) -> Holders {
    fields.into_iter().filter(|(name, _)| name != "incarnation").map(|(name, text)| (name, Holder(text))).collect()
}

impl Ledger {
    /// From the fields of the hash.
    pub(super) fn read(fields: Vec<(String, String)>) -> Result<Self, Garbled> {
        let (mut seq, mut table) = (None, EpochTable::default());
        for (field, value) in fields {
            let number = value.parse().map_err(|_| Garbled);
            match field.as_str() {
                "incarnation" => table.incarnation = number?,
                "seq" => seq = Some(number?),
                "server" => {}
                ALL => table.all = number?,
                slot => table.slots.push((slot.parse().map_err(|_| Garbled)?, number?)),
            }
        }
        match seq {
            Some(seq) if table.incarnation != 0 => Ok(Self { seq, table }),
            _ => Err(Garbled),
        }
    }
}
