//! Values as query bodies spell them.

use serde_json::{Number, Value};

/// A timestamp in RFC 3339; `None` outside the years that it can spell.
pub(super) fn timestamp(microseconds: i64) -> Option<Value> {
    Some(Value::String(jiff::Timestamp::from_microsecond(microseconds).ok()?.to_string()))
}

/// A component of a vector with seven significant digits: short, and as exact as a 32-bit float needs to be here.
pub(super) fn component(value: f32) -> Value {
    let short = format!("{value:.6e}").parse().expect("a printed float is one");
    Number::from_f64(short).map_or(Value::Null, Value::Number)
}
