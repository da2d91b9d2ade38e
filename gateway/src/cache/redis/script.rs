//! Scripts that a server runs as one step.

use redis::Cmd;

/// A Lua script, known to servers by the digest of its text.
pub struct Script {
    text: &'static str,
    digest: String,
}

impl Script {
    /// A script.
    pub fn new(text: &'static str) -> Self {
        Self { text, digest: redis::Script::new(text).get_hash().to_owned() }
    }

    /// The command that runs it where it is known.
    pub(super) fn by_digest(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        Self::call("EVALSHA", &self.digest, keys, arguments)
    }

    /// The command that runs it where it is not known, after which it is.
    pub(super) fn by_text(&self, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        Self::call("EVAL", self.text, keys, arguments)
    }

    fn call(command: &str, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Cmd {
        let mut call = redis::cmd(command);
        call.arg(script).arg(keys.len()).arg(keys).arg(arguments);
        call
    }
}
