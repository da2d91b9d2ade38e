//! Whether a store takes, gives and removes an object: what a gateway that starts on it will need.

use std::{path::Path, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, path::Path as Name};

use super::place::{self, L3Error};
use crate::config::L3Config;

/// Longest time for all of it.
const WITHIN: Duration = Duration::from_secs(10);

/// Why objects cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The settings make no store.
    #[error(transparent)]
    Settings(#[from] L3Error),
    /// The store refused, or is not there.
    #[error("an object cannot be {what}: {error}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: Error,
    },
    /// What came back was something else.
    #[error("an object that was just written reads as something else")]
    Differs,
    /// It took too long.
    #[error("there was no answer within {} seconds", WITHIN.as_secs())]
    TooSlow,
}

/// Writes, reads and removes an object of no meaning.
///
/// # Errors
/// The first of these that does not work.
pub async fn probe(config: &L3Config) -> Result<(), ProbeError> {
    // Its paths are complete: they were resolved when the configuration was read.
    let store = place::open(config, Path::new(""))?.store;
    let bytes: [u8; 16] = rand::random();
    let name = Name::from(format!("check-{:032x}", u128::from_le_bytes(bytes)));
    let refused = |what| move |error| ProbeError::Refused { what, error };
    let steps = async {
        store.put(&name, bytes::Bytes::copy_from_slice(&bytes).into()).await.map_err(refused("written"))?;
        let read = async { store.get(&name).await?.bytes().await };
        let read = read.await.map_err(refused("read"));
        store.delete(&name).await.map_err(refused("removed"))?;
        if read? == bytes[..] { Ok(()) } else { Err(ProbeError::Differs) }
    };
    tokio::time::timeout(WITHIN, steps).await.map_err(|_| ProbeError::TooSlow)?
}

/// Removes every object of a store: for what was made for a while.
///
/// # Errors
/// The settings make no store, or it refuses.
pub async fn remove_all(config: &L3Config) -> Result<(), ProbeError> {
    let store = place::open(config, Path::new(""))?.store;
    let names = store.list(None).map_ok(|object| object.location).boxed();
    let removed = store.delete_stream(names).try_for_each(|_| async { Ok(()) });
    removed.await.map_err(|error| ProbeError::Refused { what: "removed", error })
}
