//! A gateway with its configuration: made once, reloaded when asked.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use super::{OpenTiers, Servers, Signal, Signals, needs_restart, open_catalog, planning, warm_up};
use crate::{
    config::{self, Config, ConfigProblem, Loaded},
    governor::Watch,
    request::Gateway,
    telemetry::Metrics,
};

/// Time between two looks of the stores at their own data.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// Where the configuration of a gateway comes from: a file, the environment, and ports given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file; none: everything has its default.
    pub file: Option<PathBuf>,
    /// Replaces the port of `server.listen`.
    pub port: Option<u16>,
    /// Replaces the port of `admin.listen`.
    pub admin_port: Option<u16>,
}

impl Source {
    /// Reads the configuration.
    pub fn load(&self) -> Result<Loaded, Vec<ConfigProblem>> {
        let mut loaded = config::load(self.file.as_deref())?;
        if let Some(port) = self.port {
            loaded.config.server.listen.set_port(port);
        }
        if let Some(port) = self.admin_port {
            loaded.config.admin.listen.set_port(port);
        }
        Ok(loaded)
    }
}

/// A gateway that can be reloaded.
pub struct Running {
    source: Source,
    loaded: Loaded,
    /// What it was started with: sections that are read once stay as they were then.
    started: Config,
    servers: Arc<Servers>,
    gateway: Arc<Gateway>,
    tiers: OpenTiers,
    /// For models of other gateways.
    looks: Option<AbortHandle>,
    /// Watches memory for as long as this lives.
    _watch: Watch,
}

impl Running {
    /// Opens what a configuration names; `source` is where it came from. Blocks for as long as that takes.
    pub fn start(source: Source, loaded: Loaded, metrics: Arc<Metrics>) -> Result<Self, Vec<ConfigProblem>> {
        let servers = Arc::new(Servers::default());
        let catalog = open_catalog(&loaded, &servers)?;
        servers.publish(&loaded.config.backends);
        let config = &loaded.config;
        let tiers = OpenTiers::open(&loaded).map_err(|problem| vec![*problem])?;
        let gateway = Gateway::over(catalog, &config.server, &config.cache, tiers.tiers.clone(), None, metrics);
        let planning = planning::open(&loaded, tiers.objects.clone()).map_err(|problem| vec![*problem])?;
        let gateway = Arc::new(gateway.with_pools(servers.registry().clone()).with_planning(planning));
        let looks = planning::watch(gateway.planning(), Duration::from_millis(config.planner.poll_ms));
        let watch = Watch::start(&config.memory, gateway.memory().clone(), gateway.sheddable());
        Ok(Self { source, started: loaded.config.clone(), loaded, servers, gateway, tiers, looks, _watch: watch })
    }

    /// What answers queries.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// The configuration that was loaded last.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Lets go of what others might wait for. For an orderly end, after the last query.
    pub async fn close(&self) {
        self.tiers.close().await;
        let planning = self.gateway.planning();
        let _ = tokio::task::spawn_blocking(move || planning.notebook().settle()).await;
    }

    /// Reloads on `SIGHUP` and keeps statistics fresh, until the process is told to stop.
    pub async fn supervise(&mut self, signals: &mut Signals) {
        let mut refresh = tokio::time::interval(REFRESH_EVERY);
        refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The stores learnt when they were opened, so the tick that comes at once is of no use.
        refresh.tick().await;
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return,
                    // A configuration that is refused has been logged; the old one goes on.
                    Signal::Reload => drop(self.reload().await),
                },
                _ = refresh.tick() => self.gateway.refresh_statistics().await,
            }
        }
    }

    /// Reads configuration and data again and puts them in place. On any problem everything stays as it is.
    pub async fn reload(&mut self) -> Result<(), Vec<ConfigProblem>> {
        let (source, servers) = (self.source.clone(), Arc::new(self.servers.successor()));
        let opening = servers.clone();
        let read = move || {
            let loaded = source.load()?;
            let catalog = open_catalog(&loaded, &opening)?;
            Ok((loaded, catalog))
        };
        let opened = tokio::task::spawn_blocking(read).await.expect("opening does not panic");
        let (loaded, catalog) = opened.inspect_err(|problems: &Vec<ConfigProblem>| {
            for problem in problems {
                tracing::error!(%problem, "the configuration was not reloaded");
            }
        })?;
        for section in needs_restart(&self.started, &loaded.config) {
            tracing::warn!(section, "a change of this section needs a restart");
        }
        warm_up(&catalog, None);
        self.gateway.replace_catalog(catalog, &loaded.config.server);
        servers.publish(&loaded.config.backends);
        self.servers = servers;
        self.reload_model(&loaded).await;
        tracing::info!(collections = loaded.config.collections.len(), "the configuration was reloaded");
        self.loaded = loaded;
        Ok(())
    }
}

impl Running {
    /// The model file may be another one by now.
    async fn reload_model(&self, loaded: &Loaded) {
        let Some(path) = loaded.config.planner.model.clone() else { return };
        let planning = self.gateway.planning();
        let placed = tokio::task::spawn_blocking(move || planning::place(&planning, &path)).await;
        if let Ok(Err(problem)) = placed {
            tracing::error!(problem, "the model was not reloaded");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.looks.iter().for_each(AbortHandle::abort);
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, path::Path};

    use super::*;
    use crate::{
        backend::embedded::{Parts, Vectors, storage},
        value::EntityId,
    };

    /// Writes a configuration with these collections, each of which has two entities in the data directory.
    fn write(directory: &Path, collections: &[&str]) -> Source {
        let mut text = "[backends.main]\nkind = \"embedded\"\npath = \"data\"\n".to_owned();
        for name in collections {
            writeln!(text, "[collections.{name}]\nentities.backend = \"main\"\nvectors.default.dimensions = 2")
                .unwrap();
        }
        let file = directory.join("forebay.toml");
        std::fs::write(&file, text).unwrap();
        let loaded = config::load_with(Some(&file), []).unwrap();
        for name in collections {
            let schema = config::schema_of(name, &loaded.config.collections[*name], None);
            let parts = Parts {
                ids: vec![EntityId::Text("a".into()), EntityId::Text("b".into())],
                columns: Vec::new(),
                vectors: vec![Vectors { rows: vec![0, 1], values: vec![1.0, 0.0, 0.0, 1.0] }],
                edges: Vec::new(),
            };
            storage::save(&directory.join("data"), name, &schema, &parts).unwrap();
        }
        Source { file: Some(file), port: Some(0), admin_port: Some(0) }
    }

    fn start(source: Source) -> Result<Running, Vec<ConfigProblem>> {
        let loaded = source.load()?;
        Running::start(source, loaded, Arc::default())
    }

    fn names(running: &Running) -> Vec<String> {
        running.gateway().catalog().iter().map(|collection| collection.schema.name.to_string()).collect()
    }

    #[tokio::test]
    async fn a_reload_takes_over_new_collections() {
        let directory = tempfile::tempdir().unwrap();
        let mut running = start(write(directory.path(), &["a"])).unwrap();
        assert_eq!(names(&running), ["a"]);
        assert_eq!(running.loaded().config.server.listen.port(), 0);
        write(directory.path(), &["a", "b"]);
        running.reload().await.unwrap();
        assert_eq!(names(&running), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_reload_that_fails_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let source = write(directory.path(), &["a", "b"]);
        let mut running = start(source.clone()).unwrap();
        let file = source.file.unwrap();

        // A mistake in the configuration.
        std::fs::write(&file, "[colections]\n").unwrap();
        assert_eq!(running.reload().await.unwrap_err().len(), 1);
        assert_eq!(names(&running), ["a", "b"]);

        // A configuration without data.
        write(directory.path(), &["a"]);
        std::fs::remove_dir_all(directory.path().join("data")).unwrap();
        assert_eq!(running.reload().await.unwrap_err().len(), 1);
        assert_eq!(names(&running), ["a", "b"]);
        assert_eq!(running.loaded().config.collections.len(), 2);
    }

    #[test]
    fn data_of_another_shape_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let source = write(directory.path(), &["a"]);
        let file = source.file.clone().unwrap();
        let text = std::fs::read_to_string(&file).unwrap().replace("dimensions = 2", "dimensions = 3");
        std::fs::write(&file, text).unwrap();
        let problems = start(source).err().unwrap();
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].kind, problems[0].origin.line()), (config::ProblemKind::Data, Some(5)));
    }
}
