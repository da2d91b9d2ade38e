//! `forebay serve`: the gateway.

use std::{path::PathBuf, sync::Arc};

use super::Failure;
use crate::{
    api::Authenticator,
    assemble::{Listeners, Running, Signal, Signals, Source, warm_up},
    config::{self, Loaded},
    telemetry,
};

/// Answer queries
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "forebay.toml")]
    config: PathBuf,
    /// Listen for queries on this port instead; 0 picks a free one
    #[arg(long)]
    port: Option<u16>,
    /// Listen for operators on this port instead; 0 picks a free one
    #[arg(long)]
    admin_port: Option<u16>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let source = Source { file: Some(args.config.clone()), port: args.port, admin_port: args.admin_port };
    let loaded = source.load()?;
    let credentials = config::credentials(&loaded)?;
    telemetry::init(&loaded.config.log).map_err(other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(other)?;
    runtime.block_on(serve(source, loaded, Authenticator::new(credentials)))
}

/// Builds the gateway, logs its addresses, waits for the end, drains.
async fn serve(source: Source, loaded: Loaded, authenticator: Authenticator) -> Result<(), Failure> {
    // From here on no signal ends the process unawares.
    let mut signals = Signals::new().map_err(other)?;
    let config = loaded.config.clone();
    let listeners = Listeners::bind(&config).await.map_err(other)?;
    let open = move || Running::start(source, loaded, Arc::default());
    let mut running = tokio::task::spawn_blocking(open).await.map_err(other)??;

    let (query, admin) = (listeners.query_address(), listeners.admin_address());
    let serving = listeners.serve(running.gateway(), authenticator, &config);
    warm_up(&running.gateway().catalog(), Some(serving.readiness()));
    tracing::info!(version = super::VERSION.as_str(), %query, %admin, collections = config.collections.len(), "serving");

    running.supervise(&mut signals).await;

    tracing::info!("draining");
    let ending = async {
        let cut = serving.drain().await;
        running.close().await;
        cut
    };
    let cut = tokio::select! {
        cut = ending => cut,
        // Whoever asks twice does not want to wait.
        () = stop(&mut signals) => return Err(Failure::Other("stopped before all queries were answered".into())),
    };
    tracing::info!(cut, "stopped");
    Ok(())
}

/// Waits for another request to stop.
async fn stop(signals: &mut Signals) {
    while signals.next().await != Signal::Stop {}
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}
