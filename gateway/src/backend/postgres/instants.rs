//! Instants on the wire: the driver's own types need a calendar library, and the gateway only moves microseconds.

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid},
};

/// Microseconds from the Unix epoch to the server's, 2000-01-01 UTC.
const EPOCH: i64 = 946_684_800_000_000;

/// The first instant that the server can hold, in microseconds since its epoch: 4714-11-24 BC.
const FIRST: i64 = -211_813_488_000_000_000;

/// The first instant after those that the server can hold: 294277-01-01.
const END: i64 = 9_223_371_331_200_000_000;

/// An instant as the server holds it: `timestamptz`, or `timestamp` taken as UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant<const ZONED: bool>(i64);

/// Where an instant lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before everything that the server can hold.
    Before,
    /// Within: microseconds since the server's epoch.
    At(i64),
    /// After everything that the server can hold.
    After,
}

/// Where an instant, in microseconds since the Unix epoch, lies.
pub(super) fn place(micros: i64) -> Place {
    match micros.checked_sub(EPOCH) {
        Some(at) if at >= END => Place::After,
        Some(at) if at >= FIRST => Place::At(at),
        _ => Place::Before,
    }
}

impl<const ZONED: bool> Instant<ZONED> {
    /// From microseconds since the server's epoch.
    pub(super) fn at(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch; `None` for the infinities.
    pub(super) fn unix_micros(self) -> Option<i64> {
        if matches!(self.0, i64::MIN | i64::MAX) { None } else { self.0.checked_add(EPOCH) }
    }
}

impl<const ZONED: bool> Type<Postgres> for Instant<ZONED> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(if ZONED { 1184 } else { 1114 }))
    }
}

impl<const ZONED: bool> PgHasArrayType for Instant<ZONED> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(if ZONED { 1185 } else { 1115 }))
    }
}

impl<const ZONED: bool> Encode<'_, Postgres> for Instant<ZONED> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl<const ZONED: bool> Decode<'_, Postgres> for Instant<ZONED> {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(i64::from_be_bytes(value.as_bytes()?.try_into()?))),
            PgValueFormat::Text => Err("instants are read in the binary format only".into()),
        }
    }
}
