//! Vectors: half precision where that is all there is to them, else single. Never a bit less than was there.

use std::sync::Arc;

use half::f16;

use super::wire::Reader;

const HALF: u8 = 0;
const SINGLE: u8 = 1;

/// Appends a vector, which is the last thing of its body.
pub(super) fn write(out: &mut Vec<u8>, vector: &[f32]) {
    let survives = |value: &f32| f16::from_f32(*value).to_f32().to_bits() == value.to_bits();
    if vector.iter().all(survives) {
        out.push(HALF);
        vector.iter().for_each(|value| out.extend_from_slice(&f16::from_f32(*value).to_le_bytes()));
    } else {
        out.push(SINGLE);
        vector.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    }
}

/// Reads a vector of finite components to the end of the body.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Arc<[f32]>> {
    let form = reader.byte()?;
    let bytes = reader.rest();
    let vector: Arc<[f32]> = match form {
        HALF => {
            let (components, []) = bytes.as_chunks::<2>() else { return None };
            components.iter().map(|component| f16::from_le_bytes(*component).to_f32()).collect()
        }
        SINGLE => {
            let (components, []) = bytes.as_chunks::<4>() else { return None };
            components.iter().map(|component| f32::from_le_bytes(*component)).collect()
        }
        _ => return None,
    };
    (!vector.is_empty() && vector.iter().all(|component| component.is_finite())).then_some(vector)
}
