//! Where Redis is and how one logs in there, secrets included.

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsCertificates};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::config::{L2Config, RedisTopology};

/// All that is needed to connect.
#[derive(Clone)]
pub struct RedisSettings {
    pub(super) topology: RedisTopology,
    /// One server, members of a cluster, or sentinels.
    pub(super) nodes: Vec<ConnectionInfo>,
    /// The name of the group that the sentinels watch.
    pub(super) group: String,
    /// User, password and database at the servers themselves.
    pub(super) login: RedisConnectionInfo,
    /// With TLS: what is trusted, where that is not only what the system trusts.
    pub(super) tls: Option<TlsCertificates>,
}

/// What is wrong with the settings. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsProblem {
    /// There is no address.
    #[error("there is no address of a server")]
    NoAddress,
    /// There is no name of a group for the sentinels.
    #[error("there is no name of the group that the sentinels watch")]
    NoGroup,
    /// An address is none.
    #[error("address {index} is no redis:// or rediss:// URL")]
    NoUrl {
        /// Which one, from 1.
        index: usize,
    },
    /// What each part says is fine, and yet no client can be made of it.
    #[error("these settings cannot be meant: {0}")]
    Contradictory(String),
    /// A file cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// Which one.
        file: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A file of certificates holds none, or none that can be trusted.
    #[error("{file} does not hold certificates (PEM): {reason}")]
    NoCertificates {
        /// Which one.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl RedisSettings {
    /// Reads what the configuration names. Its paths are complete.
    pub fn read(config: &L2Config) -> Result<Self, SettingsProblem> {
        let urls = match &config.url_file {
            Some(file) => vec![secret(file)?],
            None => config.urls.clone(),
        };
        let mut nodes = Vec::with_capacity(urls.len());
        for (index, url) in urls.iter().enumerate() {
            // The reason is not shown: it may quote the URL.
            let node = url.as_str().into_connection_info().map_err(|_| SettingsProblem::NoUrl { index: index + 1 })?;
            nodes.push(node);
        }
        let first = nodes.first().ok_or(SettingsProblem::NoAddress)?;
        let password = config.password_file.as_deref().map(secret).transpose()?;
        let mut login = RedisConnectionInfo::default().set_db(first.redis_settings().db());
        let of_url =
            |text: Option<&str>| text.filter(|_| config.topology != RedisTopology::Sentinel).map(str::to_owned);
        if let Some(user) = config.username.clone().or_else(|| of_url(first.redis_settings().username())) {
            login = login.set_username(user);
        }
        if let Some(password) = password.or_else(|| of_url(first.redis_settings().password())) {
            login = login.set_password(password);
        }
        let is_sentinel = config.topology == RedisTopology::Sentinel;
        let group = config.sentinel_group.clone().unwrap_or_default();
        if is_sentinel && group.is_empty() {
            return Err(SettingsProblem::NoGroup);
        }
        let secure = nodes.iter().any(|node| matches!(node.addr(), ConnectionAddr::TcpTls { .. }));
        let tls = match &config.ca_file {
            Some(file) if secure => Some(trusted(file)?),
            Some(_) | None => None,
        };
        let nodes = nodes.into_iter().map(|node| {
            let of_node = node.redis_settings().clone();
            // Sentinels have users of their own, and no databases.
            node.set_redis_settings(if is_sentinel { of_node.set_db(0) } else { login.clone() })
        });
        Ok(Self { topology: config.topology, nodes: nodes.collect(), group, login, tls })
    }
}

/// The first line of a file.
fn secret(file: &Path) -> Result<String, SettingsProblem> {
    let text =
        std::fs::read_to_string(file).map_err(|error| SettingsProblem::Unreadable { file: file.to_owned(), error })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The certificates of a file, and besides those that the system trusts: the client would take one or the other.
fn trusted(file: &Path) -> Result<TlsCertificates, SettingsProblem> {
    let mut pem = std::fs::read(file).map_err(|error| SettingsProblem::Unreadable { file: file.to_owned(), error })?;
    let no_certificates = |reason| SettingsProblem::NoCertificates { file: file.to_owned(), reason };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| no_certificates(error.to_string()))?;
        store.add(certificate).map_err(|error| no_certificates(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(no_certificates("there is none".into()));
    }
    for certificate in rustls_native_certs::load_native_certs().certs {
        // One that cannot be understood would make the client trust none.
        if store.add(certificate.clone()).is_ok() {
            let body = BASE64_STANDARD.encode(&certificate);
            pem.extend_from_slice(
                format!("\n-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----").as_bytes(),
            );
        }
    }
    pem.push(b'\n');
    Ok(TlsCertificates { client_tls: None, root_cert: Some(pem) })
}
