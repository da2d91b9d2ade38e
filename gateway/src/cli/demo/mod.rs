//! `forebay demo`: real sample data on embedded stores, a short tour, then a gateway to play with. No configuration.

mod tour;
mod verify;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Failure, load::Shown, output::print};
use crate::{
    api::Authenticator,
    assemble::{Listeners, Signals},
    backend::embedded::{Dataset, EmbeddedStore},
    catalog::{Catalog, Collection},
    config::Config,
    demo_data,
    governor::Watch,
    request::Gateway,
};

/// Serve real sample data, show a query and its plan, and keep serving
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Listen for queries on this port; 0 picks a free one
    #[arg(long, default_value_t = 7700)]
    port: u16,
    /// Listen for operators on this port; 0 picks a free one
    #[arg(long, default_value_t = 7701)]
    admin_port: u16,
    /// Compare every answer with a naive scan, then end; the exit status says whether all were equal
    #[arg(long)]
    exit: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut config = Config::default();
    config.server.listen.set_port(args.port);
    config.admin.listen.set_port(args.admin_port);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(other)?;
    runtime.block_on(demo(args, &config))
}

async fn demo(args: &Args, config: &Config) -> Result<(), Failure> {
    // The ports first: whether they are free should not be learnt after the data is loaded.
    let listeners = Listeners::bind(config).await.map_err(|error| {
        Failure::Other(format!("{error}\nchoose others with --port and --admin-port; 0 picks a free one"))
    })?;
    let mut signals = Signals::new().map_err(other)?;

    let started = Instant::now();
    let dataset = tokio::task::spawn_blocking(load).await.map_err(other)??;
    print(&loaded(&dataset, started.elapsed()))?;

    let store = EmbeddedStore::new("demo".into(), dataset.clone());
    let embedder = demo_data::embedder();
    let collection = Collection::new(dataset.schema().clone(), store.clone(), Some(store), Some(embedder));
    let catalog = Catalog::new([collection]);
    let gateway = Arc::new(Gateway::new(catalog, &config.server, &config.cache, None, Arc::default()));
    let _watch = Watch::start(&config.memory, gateway.memory().clone(), gateway.sheddable());
    let (query, admin) = (listeners.query_address(), listeners.admin_address());
    let authenticator = Authenticator::new([]);
    let serving = listeners.serve(&gateway, authenticator, config);

    let url = format!("http://{query}");
    let answers = tour::walk(&url, &format!("http://{admin}")).await?;
    if args.exit {
        let verified = verify::all(&url, &dataset, answers).await;
        serving.drain().await;
        return print(&verified?);
    }
    print(&format!("serving {url} (operators: http://{admin}); Ctrl-C ends\n"))?;
    while signals.next().await != crate::assemble::Signal::Stop {}
    serving.drain().await;
    Ok(())
}

/// The sample data, through the ordinary loader.
fn load() -> Result<Arc<Dataset>, Failure> {
    let (schema, parts, _) = demo_data::packages(&mut Shown::new()).map_err(other)?;
    Ok(Arc::new(Dataset::build(Arc::new(schema), parts).map_err(other)?))
}

fn loaded(dataset: &Dataset, took: Duration) -> String {
    let schema = dataset.schema();
    let types = schema.graph.as_ref().map_or(0, |graph| graph.edges.len());
    let edges: usize = (0..types).map(|edge| dataset.edges(edge as u16).count()).sum();
    format!(
        "{}: {} Debian packages with {}-d vectors, {} nodes and {edges} edges of {types} types, loaded in {:.2} s\n\n",
        schema.name,
        dataset.usable(0).len(),
        schema.vectors[0].dimensions,
        dataset.rows(),
        took.as_secs_f64(),
    )
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}
