//! Who asks. A bearer token is looked up by its SHA-256 digest; the token itself is neither kept nor compared. Nothing
//! else that a client sends decides who it is, which tenant it belongs to, or how urgent it may be.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::{
    config::Credential,
    principal::Principal,
    problem::{Code, Problem},
};

/// Tells who asks.
#[derive(Debug)]
pub struct Authenticator {
    /// Empty: only loopback is served, and everybody there may everything.
    by_digest: HashMap<[u8; 32], Arc<Principal>>,
    local: Arc<Principal>,
}

impl Authenticator {
    /// Knows these principals; [`crate::config::credentials`] reads them from a configuration.
    pub fn new(credentials: impl IntoIterator<Item = Credential>) -> Self {
        let by_digest = credentials.into_iter().map(|credential| (credential.digest, credential.principal)).collect();
        Self { by_digest, local: Arc::new(Principal::local()) }
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
        let digest: [u8; 32] = Sha256::digest(token).into();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Priority;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn far() -> IpAddr {
        "192.0.2.7".parse().unwrap()
    }

    fn named(name: &str, token: &str) -> Credential {
        let principal = Principal {
            name: name.into(),
            tenant: Some(format!("{name}'s").into()),
            ceiling: Priority::Normal,
            collections: Some(["packages".into()].into()),
        };
        Credential { digest: Sha256::digest(token).into(), principal: Arc::new(principal) }
    }

    fn asks(authenticator: &Authenticator, peer: IpAddr, header: Option<&str>) -> Result<Arc<Principal>, Code> {
        let header = header.map(|text| HeaderValue::from_str(text).unwrap());
        authenticator.principal(peer, header.as_ref()).map_err(|problem| problem.code)
    }

    #[test]
    fn without_principals_loopback_may_everything_and_nobody_else_anything() {
        let authenticator = Authenticator::new([]);
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
        let authenticator = Authenticator::new([named("ann", "secret-a"), named("bob", "secret-b")]);
        let bob = asks(&authenticator, far(), Some("Bearer secret-b")).unwrap();
        assert_eq!((&*bob.name, bob.tenant.as_deref(), bob.ceiling), ("bob", Some("bob's"), Priority::Normal));
        assert!(bob.may_ask("packages") && !bob.may_ask("other"));
        assert_eq!(&*asks(&authenticator, LOOPBACK, Some("bEARER   secret-a ")).unwrap().name, "ann");
    }

    #[test]
    fn with_principals_loopback_needs_a_token_too() {
        let authenticator = Authenticator::new([named("ann", "secret-a")]);
        for header in [None, Some("Bearer wrong"), Some("Bearer "), Some("Bearer"), Some("Basic secret-a"), Some("")] {
            assert_eq!(asks(&authenticator, LOOPBACK, header), Err(Code::Unauthorized), "{header:?}");
        }
        let digest: String = Sha256::digest("secret-a").iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("Bearer {digest}");
        assert_eq!(asks(&authenticator, LOOPBACK, Some(&digest)), Err(Code::Unauthorized), "the digest is no token");
    }

    #[test]
    fn a_connection_may_change_its_principal() {
        let authenticator = Authenticator::new([named("ann", "secret-a"), named("bob", "secret-b")]);
        let caller = Caller::default();
        for (token, name) in [("secret-a", "ann"), ("secret-b", "bob"), ("secret-a", "ann")] {
            let header = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            let principal = authenticator.caller(&caller, far(), Some(&header)).unwrap();
            assert_eq!(principal, authenticator.principal(far(), Some(&header)).unwrap());
            assert_eq!(&*principal.name, name);
        }
        assert!(authenticator.caller(&caller, far(), None).is_err());
    }
}
