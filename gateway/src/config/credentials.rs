//! Principals and the digests of their tokens, those in files included.

use std::{collections::HashMap, sync::Arc};

use super::{
    Loaded, PrincipalConfig,
    path::KeyPath,
    problem::{ConfigProblem, ProblemKind},
    shape::is_sha256,
};
use crate::principal::Principal;

/// A bearer token's SHA-256 and whom it stands for.
#[derive(Debug, Clone)]
pub struct Credential {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// Whom it stands for.
    pub principal: Arc<Principal>,
}

/// All principals of a configuration. Reads the digest files; all problems are returned at once.
pub fn credentials(loaded: &Loaded) -> Result<Vec<Credential>, Vec<ConfigProblem>> {
    let mut credentials = Vec::new();
    let mut problems = Vec::new();
    let mut owners: HashMap<[u8; 32], &str> = HashMap::new();
    for (index, principal) in loaded.config.principals.iter().enumerate() {
        let path = KeyPath::of(["principals"]).index(index);
        match digest_of(loaded, principal, &path) {
            Err(problem) => problems.push(*problem),
            Ok(digest) => {
                if let Some(first) = owners.insert(digest, &principal.name) {
                    let message = format!("the principal `{first}` has this token too");
                    problems.push(problem(loaded, &path.key("token_sha256_file"), message));
                }
                credentials.push(Credential { digest, principal: Arc::new(principal.principal()) });
            }
        }
    }
    if problems.is_empty() { Ok(credentials) } else { Err(problems) }
}

fn digest_of(loaded: &Loaded, principal: &PrincipalConfig, path: &KeyPath) -> Result<[u8; 32], Box<ConfigProblem>> {
    let from_file;
    let text = match (&principal.token_sha256, &principal.token_sha256_file) {
        (Some(inline), _) => inline.as_str(),
        (None, Some(file)) => {
            from_file = std::fs::read_to_string(file).map_err(|error| {
                let message = format!("{} cannot be read: {error}", file.display());
                problem(loaded, &path.key("token_sha256_file"), message)
            })?;
            // `sha256sum` writes the name of its input behind the digest.
            from_file.split_whitespace().next().unwrap_or_default()
        }
        (None, None) => "",
    };
    if !is_sha256(text) {
        let message = "the file does not hold a SHA-256 digest, 64 hexadecimal digits".to_owned();
        return Err(Box::new(problem(loaded, &path.key("token_sha256_file"), message)));
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Ok(digest)
}

fn problem(loaded: &Loaded, path: &KeyPath, message: String) -> ConfigProblem {
    ConfigProblem::new(ProblemKind::Unreadable, loaded.locations.value(path), path.clone(), message)
}

impl PrincipalConfig {
    /// The principal without its secret.
    pub fn principal(&self) -> Principal {
        Principal {
            name: self.name.as_str().into(),
            tenant: self.tenant.as_deref().map(Into::into),
            ceiling: self.priority_ceiling,
            collections: self.collections.as_ref().map(|names| names.iter().map(|name| name.as_str().into()).collect()),
        }
    }
}
