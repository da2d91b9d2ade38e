//! The secret that digests in a log are keyed with, so that nobody who reads the log can guess queries and tenants and see
//! whether they are in it. It lives beside the segments: whoever may read both may compare, and nobody else.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

/// The file's name.
const FILE: &str = "digests.key";

/// Bytes of a digest in the log: enough to tell queries apart.
const DIGEST: usize = 12;

/// A secret of 32 random bytes.
pub(super) struct Secret([u8; 32]);

impl Secret {
    /// The secret of a folder, made where there is none.
    ///
    /// # Errors
    /// The file cannot be read or made, or is no secret.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(mut file) => {
                let secret: [u8; 32] = rand::random();
                let written = file.write_all(&secret).and_then(|()| file.sync_all());
                if written.is_err() {
                    // Half a secret would be refused for ever.
                    let _ = fs::remove_file(&path);
                }
                written.map(|()| Self(secret))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(&path),
            Err(error) => Err(error),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(33);
        fs::File::open(path)?.take(33).read_to_end(&mut bytes)?;
        let secret = bytes.try_into().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} does not hold 32 bytes", path.display()))
        })?;
        Ok(Self(secret))
    }

    /// The digest of something of a kind, in hexadecimal.
    pub(super) fn digest(&self, kind: &str, bytes: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&(kind.len() as u64).to_le_bytes()).update(kind.as_bytes()).update(bytes);
        hasher.finalize().as_bytes()[..DIGEST].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A secret for what never leaves this process.
    #[cfg(test)]
    pub(super) fn random() -> Self {
        Self(rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_secret_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, again) = (Secret::of(folder.path()).unwrap(), Secret::of(folder.path()).unwrap());
        assert_eq!(first.digest("query", b"x"), again.digest("query", b"x"));
        assert_ne!(first.digest("query", b"x"), first.digest("tenant", b"x"));
        assert_ne!(first.digest("query", b"x"), Secret::random().digest("query", b"x"));
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.path().join(FILE)).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], &[1; 31], &[1; 33]] {
            fs::write(folder.path().join(FILE), bytes).unwrap();
            assert_eq!(Secret::of(folder.path()).err().unwrap().kind(), io::ErrorKind::InvalidData);
        }
    }
}
