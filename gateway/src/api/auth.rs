//! Who asks. A bearer token is looked up by its SHA-256 digest; the token itself is neither kept nor compared. Nothing
//! else that a client sends decides who it is, which tenant it belongs to, or how urgent it may be.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::{
    config::PrincipalConfig,
    principal::Principal,
    problem::{Code, Problem},
};

/// Why the configured principals cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Neither or both of the ways to give a digest.
    #[error("principal {name:?} needs exactly one of `token_sha256` and `token_sha256_file`")]
    NoDigest {
        /// The principal.
        name: String,
    },
    /// The digest's file cannot be read.
    #[error("principal {name:?}: cannot read {}: {source}", path.display())]
    File {
        /// The principal.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else than a digest. It is not repeated here, it may be the token.
    #[error("principal {name:?}: the digest is not 64 hexadecimal digits (`printf %s \"$TOKEN\" | sha256sum`)")]
    BadDigest {
        /// The principal.
        name: String,
    },
    /// Two principals with one token.
    #[error("principals {first:?} and {second:?} have the same token")]
    SameToken {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
}

type TokenDigest = [u8; 32];

/// Tells who asks.
#[derive(Debug)]
pub struct Authenticator {
    /// Empty: only loopback is served, and everybody there may everything.
    by_digest: HashMap<TokenDigest, Arc<Principal>>,
    local: Arc<Principal>,
}

impl Authenticator {
    /// Knows these principals. Reads the files that hold digests.
    pub fn new(principals: &[PrincipalConfig]) -> Result<Self, AuthError> {
        let mut by_digest = HashMap::with_capacity(principals.len());
        for config in principals {
            let principal = Arc::new(principal(config));
            if let Some(other) = by_digest.insert(read_digest(config)?, principal) {
                let (first, second) = (other.name.to_string(), config.name.clone());
                return Err(AuthError::SameToken { first, second });
            }
        }
        Ok(Self { by_digest, local: Arc::new(Principal::local()) })
    }

    /// Whether a peer is served at all. Asked for every request, public pages too.
    pub fn admits(&self, peer: IpAddr) -> Result<(), Problem> {
        if !self.by_digest.is_empty() || is_loopback(peer) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, "no principals are configured, so only callers on loopback are served"))
    }

    /// As [`Self::principal`], with a copy that belongs to one connection: cores that serve other connections of the
    /// same principal do not wait for each other to count its references.
    pub(super) fn caller(
        &self,
        caller: &Caller,
        peer: IpAddr,
        authorization: Option<&HeaderValue>,
    ) -> Result<Arc<Principal>, Problem> {
        let principal = self.find(peer, authorization)?;
        let (known, own) = caller.first.get_or_init(|| (principal.clone(), Arc::new((**principal).clone())));
        Ok(if Arc::ptr_eq(known, principal) { own.clone() } else { principal.clone() })
    }

    /// Who asks, by the peer's address and the `Authorization` header.
    pub fn principal(&self, peer: IpAddr, authorization: Option<&HeaderValue>) -> Result<Arc<Principal>, Problem> {
        self.find(peer, authorization).cloned()
    }

    fn find(&self, peer: IpAddr, authorization: Option<&HeaderValue>) -> Result<&Arc<Principal>, Problem> {
        self.admits(peer)?;
        if self.by_digest.is_empty() {
            return Ok(&self.local);
        }
        let sent = authorization.ok_or_else(|| Problem::new(Code::Unauthorized, "there is no bearer token"))?;
        let token = bearer_token(sent.as_bytes())
            .ok_or_else(|| Problem::new(Code::Unauthorized, "`Authorization` holds no bearer token"))?;
        let digest: TokenDigest = Sha256::digest(token).into();
        self.by_digest.get(&digest).ok_or_else(|| Problem::new(Code::Unauthorized, "the bearer token is unknown"))
    }
}

/// Who asked first over a connection; nearly always it is who asks next, too.
#[derive(Debug, Default)]
pub(super) struct Caller {
    /// The authenticator's, and the copy.
    first: OnceLock<(Arc<Principal>, Arc<Principal>)>,
}

/// Whether an address is this machine's own, IPv4 in IPv6 clothing included.
pub(super) fn is_loopback(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// `Bearer <token>` (RFC 6750); the scheme's name in any case.
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(7)?;
    let token = rest.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn principal(config: &PrincipalConfig) -> Principal {
    Principal {
        name: config.name.as_str().into(),
        tenant: config.tenant.as_deref().map(Into::into),
        ceiling: config.priority_ceiling,
        collections: config.collections.as_ref().map(|names| names.iter().map(|name| name.as_str().into()).collect()),
    }
}

fn read_digest(config: &PrincipalConfig) -> Result<TokenDigest, AuthError> {
    let name = || config.name.clone();
    let text = match (&config.token_sha256, &config.token_sha256_file) {
        (Some(digest), None) => digest.clone(),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|source| AuthError::File {
            name: name(),
            path: path.clone(),
            source,
        })?,
        _ => return Err(AuthError::NoDigest { name: name() }),
    };
    // `sha256sum` writes a file name behind the digest.
    let digits = text.split_ascii_whitespace().next().unwrap_or_default();
    parse_digest(digits).ok_or_else(|| AuthError::BadDigest { name: name() })
}

fn parse_digest(digits: &str) -> Option<TokenDigest> {
    let mut digest = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::query::Priority;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn far() -> IpAddr {
        "192.0.2.7".parse().unwrap()
    }

    fn hex(token: &str) -> String {
        Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn named(name: &str, token: &str) -> PrincipalConfig {
        PrincipalConfig {
            name: name.into(),
            token_sha256: Some(hex(token)),
            token_sha256_file: None,
            tenant: Some(format!("{name}'s")),
            priority_ceiling: Priority::Normal,
            collections: Some(vec!["packages".into()]),
        }
    }

    fn asks(authenticator: &Authenticator, peer: IpAddr, header: Option<&str>) -> Result<Arc<Principal>, Code> {
        let header = header.map(|text| HeaderValue::from_str(text).unwrap());
        authenticator.principal(peer, header.as_ref()).map_err(|problem| problem.code)
    }

    #[test]
    fn without_principals_loopback_may_everything_and_nobody_else_anything() {
        let authenticator = Authenticator::new(&[]).unwrap();
        for near in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            let principal = asks(&authenticator, near.parse().unwrap(), Some("Bearer whatever")).unwrap();
            assert_eq!(*principal, Principal::local());
        }
        for far in ["192.0.2.7", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0"] {
            let far = far.parse().unwrap();
            assert_eq!(asks(&authenticator, far, None), Err(Code::Forbidden));
            assert!(authenticator.admits(far).is_err());
        }
    }

    #[test]
    fn a_token_stands_for_its_principal_from_anywhere() {
        let authenticator = Authenticator::new(&[named("ann", "secret-a"), named("bob", "secret-b")]).unwrap();
        let bob = asks(&authenticator, far(), Some("Bearer secret-b")).unwrap();
        assert_eq!((&*bob.name, bob.tenant.as_deref(), bob.ceiling), ("bob", Some("bob's"), Priority::Normal));
        assert!(bob.may_ask("packages") && !bob.may_ask("other"));
        assert_eq!(&*asks(&authenticator, LOOPBACK, Some("bEARER   secret-a ")).unwrap().name, "ann");
    }

    #[test]
    fn with_principals_loopback_needs_a_token_too() {
        let authenticator = Authenticator::new(&[named("ann", "secret-a")]).unwrap();
        for header in [None, Some("Bearer wrong"), Some("Bearer "), Some("Bearer"), Some("Basic secret-a"), Some("")] {
            assert_eq!(asks(&authenticator, LOOPBACK, header), Err(Code::Unauthorized), "{header:?}");
        }
        let digest = format!("Bearer {}", hex("secret-a"));
        assert_eq!(asks(&authenticator, LOOPBACK, Some(&digest)), Err(Code::Unauthorized), "the digest is no token");
    }

    #[test]
    fn a_connection_may_change_its_principal() {
        let authenticator = Authenticator::new(&[named("ann", "secret-a"), named("bob", "secret-b")]).unwrap();
        let caller = Caller::default();
        for (token, name) in [("secret-a", "ann"), ("secret-b", "bob"), ("secret-a", "ann")] {
            let header = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            let principal = authenticator.caller(&caller, far(), Some(&header)).unwrap();
            assert_eq!(principal, authenticator.principal(far(), Some(&header)).unwrap());
            assert_eq!(&*principal.name, name);
        }
        assert!(authenticator.caller(&caller, far(), None).is_err());
    }

    #[test]
    fn a_digest_may_come_from_a_file_as_sha256sum_writes_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{}  -", hex("from a file").to_uppercase()).unwrap();
        let mut config = named("ann", "");
        (config.token_sha256, config.token_sha256_file) = (None, Some(file.path().into()));
        let authenticator = Authenticator::new(&[config]).unwrap();
        assert!(asks(&authenticator, far(), Some("Bearer from a file")).is_ok());
    }

    #[test]
    fn unusable_principals_are_refused_without_repeating_secrets() {
        let bad = |change: fn(&mut PrincipalConfig)| {
            let mut config = named("ann", "x");
            change(&mut config);
            Authenticator::new(&[config]).unwrap_err()
        };
        assert!(matches!(bad(|c| c.token_sha256 = None), AuthError::NoDigest { .. }));
        assert!(matches!(bad(|c| c.token_sha256_file = Some("/x".into())), AuthError::NoDigest { .. }));
        let error = bad(|c| (c.token_sha256, c.token_sha256_file) = (None, Some("/does/not/exist".into())));
        assert!(error.to_string().contains("/does/not/exist"), "{error}");
        let error = bad(|c| c.token_sha256 = Some("my-secret-token".into()));
        assert!(matches!(error, AuthError::BadDigest { .. }) && !error.to_string().contains("my-secret"), "{error}");
        let error = Authenticator::new(&[named("ann", "x"), named("bob", "x")]).unwrap_err();
        assert!(matches!(error, AuthError::SameToken { .. }));
    }
}
