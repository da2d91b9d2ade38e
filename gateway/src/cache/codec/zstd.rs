//! Calls of zstd. Contexts are kept per thread: making one costs more than packing a small answer.

use std::cell::RefCell;

use ::zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_frame_content_size};

use super::Dictionary;

thread_local! {
    static PACKING: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
    static UNPACKING: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// Packs a body; `None` only if memory is short.
pub(super) fn pack(body: &[u8], level: i32, dictionary: Option<&Dictionary>) -> Option<Vec<u8>> {
    PACKING.with_borrow_mut(|slot| {
        let context = match slot {
            Some(context) => context,
            None => slot.insert(CCtx::try_create()?),
        };
        let mut packed = Vec::with_capacity(compress_bound(body.len()));
        match dictionary {
            Some(dictionary) => context.compress_using_cdict(&mut packed, body, dictionary.encoder().as_cdict()),
            None => context.compress(&mut packed, body, level),
        }
        .ok()?;
        Some(packed)
    })
}

/// Unpacks one frame that says itself that it holds exactly `length` bytes.
pub(super) fn unpack(packed: &[u8], length: usize, dictionary: Option<&Dictionary>) -> Option<Vec<u8>> {
    if get_frame_content_size(packed).ok()?? != length as u64 {
        return None;
    }
    UNPACKING.with_borrow_mut(|slot| {
        let context = match slot {
            Some(context) => context,
            None => slot.insert(DCtx::try_create()?),
        };
        let mut body = Vec::with_capacity(length);
        let written = match dictionary {
            Some(dictionary) => context.decompress_using_ddict(&mut body, packed, dictionary.decoder.as_ddict()),
            None => context.decompress(&mut body, packed),
        };
        (written.ok()? == length).then_some(body)
    })
}
