//! Which member of a cluster has a key: the slots of keys, and the table of who has which.

use redis::{Cmd, Value};

use super::{RedisError, sentinels::Address};

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// Which master has which slots, as one member says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table<Owner> {
    /// In the order of the slots, none of which is in two.
    ranges: Vec<Range<Owner>>,
}

/// Consecutive slots of one master.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Range<Owner> {
    first: u16,
    last: u16,
    owner: Owner,
}

/// The slot of a command: that of its first key, as all are of one slot; `None` for a command without keys, which any
/// member can carry out.
pub(super) fn slot_of(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().map(|word| match word {
        redis::Arg::Simple(word) => word,
        _ => &[],
    });
    let key = match words.next()? {
        b"EVAL" | b"EVALSHA" => match words.nth(1)? {
            b"0" => None,
            _ => words.next(),
        },
        _ => words.next(),
    };
    key.map(slot)
}

/// The slot of a key: of what is between its first braces, if there is anything.
fn slot(key: &[u8]) -> u16 {
    let place = |within: &[u8], brace| within.iter().position(|byte| *byte == brace);
    let tag = place(key, b'{').map(|open| &key[open + 1..]);
    let tag = tag.and_then(|tag| place(tag, b'}').map(|close| &tag[..close])).filter(|tag| !tag.is_empty());
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % SLOTS
}

impl Table<Address> {
    /// Reads the answer to `CLUSTER SLOTS`. A member that does not know its own host is at `host`.
    pub(super) fn read(answer: Value, host: &str) -> Result<Self, RedisError> {
        let nonsense = |_| RedisError::Nonsense("that is no table of slots".into());
        let rows: Vec<Vec<Value>> = redis::from_redis_value(answer)?;
        let mut ranges = Vec::with_capacity(rows.len());
        for row in rows {
            let [first, last, master, ..] =
                <[Value; 3]>::try_from(row.into_iter().take(3).collect::<Vec<_>>()).map_err(nonsense)?;
            let (first, last) = (number(first)?, number(last)?);
            let master: Vec<Value> = redis::from_redis_value(master)?;
            let [named, port] =
                <[Value; 2]>::try_from(master.into_iter().take(2).collect::<Vec<_>>()).map_err(nonsense)?;
            let named: Option<String> = redis::from_redis_value(named)?;
            let named = named.filter(|named| !named.is_empty() && named != "?");
            let owner = (named.unwrap_or_else(|| host.to_owned()), number(port)?);
            ranges.push(Range { first, last, owner });
        }
        ranges.sort_by_key(|range| range.first);
        let ascends = ranges.is_sorted_by(|one, next| one.last < next.first);
        if !ascends || ranges.iter().any(|range| range.first > range.last || range.last >= SLOTS) {
            return Err(RedisError::Nonsense("the ranges of slots make no sense".into()));
        }
        Ok(Self { ranges })
    }
}

/// A number that has its place: a wider one would lose its upper half.
fn number(value: Value) -> Result<u16, RedisError> {
    let number: i64 = redis::from_redis_value(value)?;
    u16::try_from(number).map_err(|_| RedisError::Nonsense(format!("{number} in a table of slots")))
}

impl<Owner> Table<Owner> {
    /// Who has a slot; `None` if nobody has.
    pub(super) fn owner(&self, slot: u16) -> Option<&Owner> {
        let after = self.ranges.partition_point(|range| range.first <= slot);
        let range = &self.ranges[after.checked_sub(1)?];
        (slot <= range.last).then_some(&range.owner)
    }

    /// Everybody who has slots, some more than once.
    pub(super) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.ranges.iter().map(|range| &range.owner)
    }

    /// The same table of others.
    pub(super) fn try_map<Other, E>(self, mut other: impl FnMut(Owner) -> Result<Other, E>) -> Result<Table<Other>, E> {
        let ranges =
            self.ranges.into_iter().map(|Range { first, last, owner }| Ok(Range { first, last, owner: other(owner)? }));
        Ok(Table { ranges: ranges.collect::<Result<_, E>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: i64, last: i64, host: Value, port: i64) -> Value {
        let node = Value::Array(vec![host, Value::Int(port), Value::SimpleString("id".into())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node.clone(), node])
    }

    fn host(name: &str) -> Value {
        Value::BulkString(name.as_bytes().to_vec())
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"a{user1000}b{c}"), slot(b"user1000"));
        // Without anything between the first braces, all of it counts.
        assert_eq!(slot(b"a{}{b}"), crc16::State::<crc16::XMODEM>::calculate(b"a{}{b}") % SLOTS);
        assert_ne!(slot(b"a{}{b}"), slot(b"b"));
        assert_eq!(slot(b"{"), crc16::State::<crc16::XMODEM>::calculate(b"{") % SLOTS);
    }

    #[test]
    fn a_command_belongs_to_the_slot_of_its_first_key() {
        let command = |words: &[&str]| {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            slot_of(&command)
        };
        assert_eq!(command(&["GET", "k"]), Some(slot(b"k")));
        assert_eq!(command(&["SET", "k", "other"]), Some(slot(b"k")));
        assert_eq!(command(&["EVALSHA", "digest", "2", "k", "{k}l", "argument"]), Some(slot(b"k")));
        assert_eq!(command(&["EVAL", "return 1", "0", "argument"]), None);
        assert_eq!(command(&["INFO"]), None);
    }

    #[test]
    fn a_table_names_the_master_of_each_slot() {
        let answer =
            Value::Array(vec![row(8000, 16383, Value::Nil, 2), row(0, 10, host("a"), 1), row(12, 12, host(""), 3)]);
        let table = Table::read(answer, "asked").expect("it is a table");
        let of = |slot| table.owner(slot).map(|(host, port)| (host.as_str(), *port));
        assert_eq!((of(0), of(10), of(12)), (Some(("a", 1)), Some(("a", 1)), Some(("asked", 3))));
        assert_eq!((of(8000), of(16383)), (Some(("asked", 2)), Some(("asked", 2))));
        assert_eq!((of(11), of(13), of(7999)), (None, None, None));
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        let node = || host("a");
        for wrong in [
            Value::Okay,
            Value::Array(vec![Value::Int(3)]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(5)])]),
            Value::Array(vec![row(5, 4, node(), 1)]),
            Value::Array(vec![row(0, 16384, node(), 1)]),
            Value::Array(vec![row(-1, 5, node(), 1)]),
            Value::Array(vec![row(0, 5, node(), 70_000)]),
            Value::Array(vec![row(0, 5, node(), 1), row(5, 6, node(), 1)]),
        ] {
            assert!(matches!(Table::read(wrong.clone(), "asked"), Err(RedisError::Nonsense(_))), "{wrong:?}");
        }
    }
}
