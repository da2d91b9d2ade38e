//! Makes the cache's tiers. No server is asked: Redis and the object store may come up later than the gateway.

use std::{path::Path, sync::Arc};

use object_store::ObjectStore;

use crate::{
    cache::{
        FarTier, Tiers,
        coherence::{Alone, Coherence, Kept, RedisCoherence},
        l2::RedisTier,
        l3::L3,
        redis::{RedisLink, RedisSettings, SettingsProblem},
    },
    config::{CacheConfig, ConfigProblem, KeyPath, L2Config, Loaded, ProblemKind},
};

/// The tiers of a configuration, and what has to end in order.
pub struct OpenTiers {
    /// All of them.
    pub tiers: Arc<Tiers>,
    /// The object store of tier 3, where there is one: models lie beside its entries.
    pub objects: Option<Arc<dyn ObjectStore>>,
    shared: Option<Arc<RedisCoherence>>,
}

impl OpenTiers {
    /// Opens what `cache` names. Call it in a runtime.
    ///
    /// # Errors
    /// Settings that cannot be meant, files that cannot be read, a folder that cannot be made.
    pub fn open(loaded: &Loaded) -> Result<Self, Box<ConfigProblem>> {
        let cache = &loaded.config.cache;
        let problem = |key: &str, message: String| {
            let at = KeyPath::of(["cache", key]);
            Box::new(ConfigProblem::new(ProblemKind::Data, loaded.locations.key(&at), at, message))
        };
        let (l2, shared) = match &cache.l2 {
            Some(config) => {
                let (tier, shared) = redis(config).map_err(|error| problem("l2", error.to_string()))?;
                (Some(tier), Some(shared))
            }
            None => (None, None),
        };
        let (coherence, owner) = coherence(cache, shared.clone());
        let mut far: Vec<Arc<dyn FarTier>> = Vec::new();
        far.extend(l2.clone().map(|tier| tier as Arc<dyn FarTier>));
        let mut objects = None;
        if let Some(config) = &cache.l3 {
            let clock = coherence.clone();
            // Its paths are complete: they were resolved when the configuration was read.
            let open = if owner == Owner::This { L3::open_alone } else { L3::open };
            let tier = open(config, Path::new(""), Arc::new(move || clock.now()))
                .map_err(|error| problem("l3", error.to_string()))?;
            objects = Some(tier.objects());
            far.push(tier);
        }
        let tiers = Tiers::new(&cache.l1, far, coherence);
        let tiers = match l2 {
            Some(leases) => tiers.leasing(leases),
            None => tiers,
        };
        Ok(Self { tiers: Arc::new(tiers), objects, shared })
    }

    /// Writes what waits to be written, and says goodbye, so that no other gateway waits for this one.
    pub async fn close(&self) {
        for tier in self.tiers.far() {
            tier.flush().await;
        }
        if let Some(shared) = &self.shared {
            shared.leave().await;
        }
    }
}

/// The tier and the epochs in one Redis, by connections of their own: a long reply of one does not keep the other waiting.
fn redis(config: &L2Config) -> Result<(Arc<RedisTier>, Arc<RedisCoherence>), SettingsProblem> {
    let shared = RedisCoherence::connect(config)?;
    let link = RedisLink::new(RedisSettings::read(config)?)?;
    Ok((RedisTier::new(link, config, shared.clone()), shared))
}

/// Where epochs are counted: in Redis where there is one; beside the objects of a folder, so that they are of use after a
/// restart; else in this process.
fn coherence(cache: &CacheConfig, shared: Option<Arc<RedisCoherence>>) -> (Arc<dyn Coherence>, Owner) {
    let directory = cache.l3.as_ref().and_then(|l3| l3.directory.as_ref());
    match (shared, directory) {
        (Some(shared), _) => (shared, Owner::Anybody),
        (None, Some(directory)) => {
            let kept = Kept::open(directory);
            let owner = if kept.is_kept() { Owner::This } else { Owner::Anybody };
            (Arc::new(kept), owner)
        }
        (None, None) => (Arc::new(Alone::default()), Owner::Anybody),
    }
}

/// Who writes objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// This gateway alone, which has locked their folder.
    This,
    /// Other gateways, too, as far as this one knows.
    Anybody,
}
