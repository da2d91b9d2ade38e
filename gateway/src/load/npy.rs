//! NumPy's array files (`.npy`, format versions 1 to 3): C order, little-endian, one or two axes.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use std::io::{self, Read};

use half::f16;

/// Longest header that is read; NumPy writes 118 bytes for a plain array.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// What is wrong with an array file.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It does not begin as an array file does.
    #[error("not a .npy file")]
    NotNpy,
    /// It begins as one but goes on wrongly.
    #[error("malformed .npy header: {0}")]
    Header(&'static str),
    /// The elements are of a type that is not read here.
    #[error("elements of type {0:?} are not supported: <f2, <f4, <f8 and |i1 are")]
    ElementType(String),
    /// Columns before rows.
    #[error("Fortran order is not supported: save a C-contiguous array")]
    FortranOrder,
    /// The elements or the axes are not what the reader asked for.
    #[error("{expected} expected, found {found}")]
    Unexpected {
        /// What the reader asked for.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The data ends before the header says so, or goes on after.
    #[error("the file has {found} bytes of data than its header says")]
    Length {
        /// `fewer` or `more`.
        found: &'static str,
    },
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 8-bit signed integer.
    I8,
    /// 16-bit float.
    F16,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

impl Element {
    /// Size of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What an array file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The type of the elements.
    pub element: Element,
    /// The length of each axis.
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads a header and leaves the reader at the first element.
    pub fn read(reader: &mut dyn Read) -> Result<Self, NpyError> {
        let mut start = [0; 8];
        read_exact(reader, &mut start, || NpyError::NotNpy)?;
        if &start[..6] != b"\x93NUMPY" {
            return Err(NpyError::NotNpy);
        }
        let short = || NpyError::Header("it ends early");
        let length = match start[6] {
            1 => {
                let mut length = [0; 2];
                read_exact(reader, &mut length, short)?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                read_exact(reader, &mut length, short)?;
                u32::from_le_bytes(length) as usize
            }
            _ => return Err(NpyError::Header("unknown format version")),
        };
        if length > MAX_HEADER_BYTES {
            return Err(NpyError::Header("it is too long"));
        }
        let mut text = vec![0; length];
        read_exact(reader, &mut text, short)?;
        let text = str::from_utf8(&text).map_err(|_| NpyError::Header("it is not text"))?;
        Dictionary { rest: text }.read()
    }

    /// Number of elements; `None` if it does not fit.
    fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |product, axis| product.checked_mul(*axis))
    }
}

/// Reads the rows of a two-dimensional float array one after the other.
pub struct Rows<R> {
    reader: R,
    header: Header,
    row: Vec<u8>,
    left: usize,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Anything but a float array with two axes.
    pub fn open(mut reader: R) -> Result<Self, NpyError> {
        let header = Header::read(&mut reader)?;
        let found = || format!("{:?} of shape {:?}", header.element, header.shape);
        if header.shape.len() != 2 || header.element == Element::I8 {
            return Err(NpyError::Unexpected { expected: "floats of shape [rows, dimensions]", found: found() });
        }
        let left = header.shape[0];
        Ok(Self { reader, header, row: Vec::new(), left })
    }

    /// The shape, [rows, dimensions].
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Appends the next row to `out`; `false` after the last, when the file has to end too. Doubles are rounded.
    pub fn next_into(&mut self, out: &mut Vec<f32>) -> Result<bool, NpyError> {
        if self.left == 0 {
            return if self.reader.read(&mut [0])? == 0 { Ok(false) } else { Err(NpyError::Length { found: "more" }) };
        }
        self.left -= 1;
        let element = self.header.element;
        let bytes =
            self.header.shape[1].checked_mul(element.bytes()).ok_or(NpyError::Header("the shape is too large"))?;
        // Grown by what is really there: the header alone must not make us allocate.
        self.row.clear();
        let read = self.reader.by_ref().take(bytes as u64).read_to_end(&mut self.row)?;
        if read < bytes {
            return Err(NpyError::Length { found: "fewer" });
        }
        match element {
            Element::I8 => out.extend(self.row.iter().map(|byte| f32::from(*byte as i8))),
            Element::F16 => out.extend(self.row.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Element::F32 => out.extend(self.row.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Element::F64 => out.extend(self.row.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
        }
        Ok(true)
    }
}

/// The data of a whole array in memory, as raw little-endian bytes of exactly the length that the header asks for.
pub fn parse(file: &[u8]) -> Result<(Header, &[u8]), NpyError> {
    let mut data = file;
    let header = Header::read(&mut data)?;
    let bytes = header.elements().and_then(|count| count.checked_mul(header.element.bytes()));
    match bytes.ok_or(NpyError::Header("the shape is too large"))?.cmp(&data.len()) {
        std::cmp::Ordering::Equal => Ok((header, data)),
        std::cmp::Ordering::Less => Err(NpyError::Length { found: "more" }),
        std::cmp::Ordering::Greater => Err(NpyError::Length { found: "fewer" }),
    }
}

fn read_exact(reader: &mut dyn Read, out: &mut [u8], short: impl FnOnce() -> NpyError) -> Result<(), NpyError> {
    reader.read_exact(out).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => short(),
        _ => NpyError::Read(error),
    })
}

/// Reads the Python dictionary of a header: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct Dictionary<'a> {
    rest: &'a str,
}

impl<'a> Dictionary<'a> {
    fn read(mut self) -> Result<Header, NpyError> {
        let (mut element, mut order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => element = Some(self.element()?),
                "fortran_order" => order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return Err(NpyError::Header("it has an unknown key")),
            }
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        let (Some(element), Some(fortran), Some(shape)) = (element, order, shape) else {
            return Err(NpyError::Header("descr, fortran_order or shape is missing"));
        };
        if fortran {
            return Err(NpyError::FortranOrder);
        }
        Ok(Header { element, shape })
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), NpyError> {
        if self.take(wanted) { Ok(()) } else { Err(NpyError::Header("it is no dictionary of plain values")) }
    }

    fn string(&mut self) -> Result<&'a str, NpyError> {
        let quote = if self.take('\'') { '\'' } else { self.expect('"').map(|()| '"')? };
        let (text, rest) = self.rest.split_once(quote).ok_or(NpyError::Header("a string has no end"))?;
        self.rest = rest;
        Ok(text)
    }

    fn element(&mut self) -> Result<Element, NpyError> {
        if self.rest.trim_start().starts_with('[') {
            return Err(NpyError::ElementType("a record".into()));
        }
        match self.string()? {
            "|i1" | "<i1" => Ok(Element::I8),
            "<f2" => Ok(Element::F16),
            "<f4" => Ok(Element::F32),
            "<f8" => Ok(Element::F64),
            other => Err(NpyError::ElementType(other.into())),
        }
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        for (word, value) in [("False", false), ("True", true)] {
            if let Some(rest) = self.rest.trim_start().strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(NpyError::Header("fortran_order is neither True nor False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, NpyError> {
        let mut axes = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            let text = self.rest.trim_start();
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            axes.push(text[..digits].parse().map_err(|_| NpyError::Header("an axis of the shape is no length"))?);
            self.rest = &text[digits..];
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(axes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(data);
        file
    }

    fn rows(file: &[u8]) -> Result<Vec<f32>, NpyError> {
        let mut rows = Rows::open(file)?;
        let mut out = Vec::new();
        while rows.next_into(&mut out)? {}
        Ok(out)
    }

    const HEADER: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }  \n";

    #[test]
    fn every_float_width_reads_as_the_same_numbers() {
        let numbers = [1.0_f32, -2.5, 0.0, 1024.0];
        let halves: Vec<u8> = numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        let singles: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let doubles: Vec<u8> = numbers.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
        for (kind, data) in [("<f2", halves), ("<f4", singles), ("<f8", doubles)] {
            assert_eq!(rows(&file(&HEADER.replace("<f4", kind), &data)).unwrap(), numbers, "{kind}");
        }
    }

    #[test]
    fn malformed_headers_are_errors_and_never_panics() {
        let data = [0; 16];
        for header in [
            "",
            "{",
            "{}",
            "[1, 2]",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }",
            "{'descr': '<f4', 'fortran_order': None, 'shape': (2, 2), }",
            "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }",
            "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 2), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, , 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999999), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9223372036854775807), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'more': 1}",
            "{'descr': '<f4",
        ] {
            assert!(rows(&file(header, &data)).is_err(), "{header}");
        }
    }

    #[test]
    fn every_truncation_and_every_surplus_byte_is_an_error() {
        let whole = file(HEADER, &[0; 16]);
        assert_eq!(rows(&whole).unwrap(), [0.0; 4]);
        for length in 0..whole.len() {
            assert!(rows(&whole[..length]).is_err(), "{length}");
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        let surplus = file(HEADER, &[0; 17]);
        assert!(matches!(rows(&surplus), Err(NpyError::Length { found: "more" })));
        assert!(matches!(parse(&surplus), Err(NpyError::Length { found: "more" })));
    }

    #[test]
    fn any_single_changed_header_byte_is_read_or_refused_but_never_panics() {
        let whole = file(HEADER, &[0; 16]);
        for position in 0..whole.len() - 16 {
            for value in 0..=255 {
                let mut changed = whole.clone();
                changed[position] = value;
                let _ = rows(&changed);
                let _ = parse(&changed);
            }
        }
    }
}
