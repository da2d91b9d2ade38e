use super::ModelError;

/// Reads parts off the front of a file.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], ModelError> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(ModelError::Truncated { part })?;
        self.0 = rest;
        Ok(front)
    }

    /// As many items of a fixed size. Nothing is reserved before the bytes are known to be there.
    pub(crate) fn items<const SIZE: usize>(
        &mut self,
        count: usize,
        part: &'static str,
    ) -> Result<impl ExactSizeIterator<Item = &'a [u8; SIZE]>, ModelError> {
        let bytes = count.checked_mul(SIZE).ok_or(ModelError::Truncated { part })?;
        let (items, _) = self.take(bytes, part)?.as_chunks::<SIZE>();
        Ok(items.iter())
    }

    pub(crate) fn array<const SIZE: usize>(&mut self, part: &'static str) -> Result<[u8; SIZE], ModelError> {
        let bytes = self.0.first_chunk::<SIZE>().copied().ok_or(ModelError::Truncated { part })?;
        self.0 = &self.0[SIZE..];
        Ok(bytes)
    }

    pub(crate) fn u32(&mut self, part: &'static str) -> Result<u32, ModelError> {
        self.array(part).map(u32::from_le_bytes)
    }

    pub(crate) fn f32(&mut self, part: &'static str) -> Result<f32, ModelError> {
        self.array(part).map(f32::from_le_bytes)
    }
}

/// Two 32-bit words.
pub(super) fn words(bytes: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}
