//! Where objects are: a folder or a bucket, as configured.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    BackoffConfig, ObjectStore, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Name,
    prefix::PrefixStore,
};

use super::http::Connector;
use crate::config::L3Config;

/// Why there is no tier.
#[derive(Debug, thiserror::Error)]
pub enum L3Error {
    /// Neither a folder nor a bucket is configured, or both are.
    #[error("either directory or url has to be given")]
    Nowhere,
    /// The folder cannot be made or opened.
    #[error("{path}: {source}", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file with the secret cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Secret {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The URL is not that of a bucket.
    #[error("{0:?} is not s3://bucket, s3://bucket/prefix, or the like of gs and az")]
    Url(String),
    /// The URL is of a store that this binary cannot speak to.
    #[error("this binary does not speak to {scheme}:// (feature `{feature}`)")]
    NotCompiledIn {
        /// The URL's scheme.
        scheme: &'static str,
        /// What it would have to be built with.
        feature: &'static str,
    },
    /// The settings make no store.
    #[error("{0}")]
    Settings(#[from] object_store::Error),
    /// There are no certificates to trust.
    #[error("no certificates to trust: {0}")]
    Certificates(#[source] io::Error),
}

/// An opened place.
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The folder, where it is one.
    pub(super) directory: Option<PathBuf>,
}

/// Requests are tried again once or twice, soon or not at all: whoever waits for an answer has other ways to get it.
fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(50), max_backoff: Duration::from_secs(1), base: 2.0 };
    RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(5) }
}

/// Opens what is configured. A relative path starts at `base`. No server is asked.
pub(super) fn open(config: &L3Config, base: &Path) -> Result<Place, L3Error> {
    match (&config.directory, &config.url) {
        (Some(directory), None) => folder(&base.join(directory)),
        (None, Some(url)) => bucket(config, base, url),
        _ => Err(L3Error::Nowhere),
    }
}

fn folder(path: &Path) -> Result<Place, L3Error> {
    let refused = |source| L3Error::Directory { path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(refused)?;
    let path = path.canonicalize().map_err(refused)?;
    let store = LocalFileSystem::new_with_prefix(&path)?;
    Ok(Place { store: Arc::new(store), directory: Some(path) })
}

fn bucket(config: &L3Config, base: &Path, url: &str) -> Result<Place, L3Error> {
    let not_a_bucket = || L3Error::Url(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(not_a_bucket)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.contains(['@', '?', '#', ':']) {
        return Err(not_a_bucket());
    }
    let plain = config.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let connector = || Connector::new(!plain).map_err(L3Error::Certificates);
    let secret = config.secret_access_key_file.as_ref().map(|file| secret(&base.join(file))).transpose()?;
    let store: Arc<dyn ObjectStore> = match scheme {
        "s3" => Arc::new(amazon(config, bucket, secret).with_http_connector(connector()?).build()?),
        "gs" => google(bucket, connector)?,
        "az" => azure(config, bucket, secret, connector)?,
        _ => return Err(not_a_bucket()),
    };
    let prefix = Name::parse(prefix.trim_end_matches('/')).map_err(object_store::Error::from)?;
    let store = if prefix.is_root() { store } else { Arc::new(PrefixStore::new(store, prefix)) };
    Ok(Place { store, directory: None })
}

/// The secret is the file's only line.
fn secret(path: &Path) -> Result<String, L3Error> {
    let text = std::fs::read_to_string(path).map_err(|source| L3Error::Secret { path: path.to_owned(), source })?;
    Ok(text.trim().to_owned())
}

fn amazon(config: &L3Config, bucket: &str, secret: Option<String>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries());
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(id) = &config.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(secret) = secret {
        builder = builder.with_secret_access_key(secret);
    }
    builder
}

#[cfg(feature = "gcs")]
fn google(bucket: &str, connector: impl Fn() -> Result<Connector, L3Error>) -> Result<Arc<dyn ObjectStore>, L3Error> {
    let builder = object_store::gcp::GoogleCloudStorageBuilder::from_env();
    let builder = builder.with_bucket_name(bucket).with_retry(retries());
    Ok(Arc::new(builder.with_http_connector(connector()?).build()?))
}

#[cfg(not(feature = "gcs"))]
fn google(_: &str, _: impl Fn() -> Result<Connector, L3Error>) -> Result<Arc<dyn ObjectStore>, L3Error> {
    Err(L3Error::NotCompiledIn { scheme: "gs", feature: "gcs" })
}

#[cfg(feature = "azure")]
fn azure(
    config: &L3Config,
    container: &str,
    secret: Option<String>,
    connector: impl Fn() -> Result<Connector, L3Error>,
) -> Result<Arc<dyn ObjectStore>, L3Error> {
    let builder = object_store::azure::MicrosoftAzureBuilder::from_env();
    let mut builder = builder.with_container_name(container).with_retry(retries());
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint.clone()).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(account) = &config.access_key_id {
        builder = builder.with_account(account);
    }
    if let Some(secret) = secret {
        builder = builder.with_access_key(secret);
    }
    Ok(Arc::new(builder.with_http_connector(connector()?).build()?))
}

#[cfg(not(feature = "azure"))]
fn azure(
    _: &L3Config,
    _: &str,
    _: Option<String>,
    _: impl Fn() -> Result<Connector, L3Error>,
) -> Result<Arc<dyn ObjectStore>, L3Error> {
    Err(L3Error::NotCompiledIn { scheme: "az", feature: "azure" })
}
