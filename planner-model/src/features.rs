//! The features of a candidate plan, all known before it runs.

macro_rules! features {
    ($($variant:ident $name:literal $unit:literal $doc:literal)*) => {
        /// One feature. The discriminant is its place in [`Features`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Feature {
            $(#[doc = $doc] $variant,)*
        }

        impl Feature {
            /// All features in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in logs, models and `explain`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The unit, or the transform and the unit.
            pub fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)* }
            }

            /// What it says.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }

        /// Number of features.
        pub const COUNT: usize = Feature::ALL.len();
    };
}

features! {
    IoOperations "estimated_io_ops" "log10(1 + operations)" "Rows, index entries and edges that the plan is expected to touch."
    Cpu "estimated_cpu" "log10(1 + Mflop)" "Arithmetic on vectors, with 50 ns for each row operation counted as 100 flop."
    RoundTrips "network_roundtrips" "calls" "Calls to backends, widening included."
    CacheHitProbability "cache_hit_probability" "0..1" "Whether a leg of the plan is known to be in a cache."
    Parallelism "parallelism_degree" "legs" "Legs that run at the same time."
    DataVolume "data_volume" "log10(1 + bytes)" "Bytes that travel between backends and the gateway."
    JoinComplexity "join_complexity" "hops × (1 + log10 fan-out)" "How much the graph side can branch; 0 without one."
    IndexUsage "index_usage_score" "0..1" "0 for a sequential scan, 0.5 for bitmaps of filters or ids, 1 for starting from ids or a cached list."
    Rows "n_vec" "log10(1 + rows)" "Entities with a usable vector."
    Dimensions "dims" "log10(1 + components)" "Components of the query vector; 0 without one."
    Need "need" "log10(1 + items)" "limit + offset."
    Hops "hops" "hops" "Most steps of the walk; 0 without one."
    Anchors "anchors" "log10(1 + nodes)" "Nodes where walks start."
    Selectivity "selectivity" "log10 of the fraction" "Estimated fraction of entities that pass the filter."
    SelectivitySpread "selectivity_spread" "log10(high / low)" "Width of the interval that certainly holds the selectivity."
    Reach "reach" "log10(1 + nodes)" "Estimated distinct nodes reached."
    Edges "edges" "log10(1 + edges)" "Estimated edges looked at by a traversal."
    Matches "matches" "log10(1 + entities)" "Estimated entities that pass filter and walk."
    Candidates "candidates" "log10(1 + rows)" "Ranked rows that the plan is expected to take before enough survive."
    AnalyticCost "analytic_cost" "log10(microseconds)" "What the analytic cost model says."
    OverCheapest "over_cheapest" "log10(ratio)" "The analytic cost over that of the cheapest candidate; 0 for that one."
    AsksVectors "asks_vectors" "0 or 1" "Whether the plan asks the vector store for something that no cache holds."
    AsksGraph "asks_graph" "0 or 1" "Whether the plan asks the graph store for something that no cache holds."
    CachedReach "cached_reach" "0 or 1" "Whether the reached ids are in a cache; the same for all candidates."
    CachedItems "cached_items" "log10(1 + items)" "Items of the ranked list in a cache; 0 without one. The same for all candidates."
    CachedSurvivors "cached_survivors" "log10(1 + items)" "Items of that list that are expected to pass the filter and the walk."
    ReachSpread "reach_spread" "log10(ratio)" "The reach over what it is if the walk meets no hub."
    Approximate "approximate" "0 or 1" "Whether an approximate index may rank."
    VectorCall "vector_call" "log10(microseconds)" "What a call to the vector store takes before any work, as measured on this machine."
    GraphCall "graph_call" "log10(microseconds)" "The same of the graph store; 0 without a walk."
    VectorWait "vector_wait" "log10(1 + microseconds)" "How long a call to the vector store is expected to wait for a connection."
    GraphWait "graph_wait" "log10(1 + microseconds)" "The same of the graph store; 0 without a walk."
}

/// The features of one candidate. Never NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Features([f32; COUNT]);

impl Default for Features {
    fn default() -> Self {
        Self([0.0; COUNT])
    }
}

impl Features {
    /// Sets a feature as it is. What is not finite becomes 0.
    pub fn set(&mut self, feature: Feature, value: f64) {
        let value = value as f32;
        self.0[feature as usize] = if value.is_finite() { value } else { 0.0 };
    }

    /// Sets a feature to `log10(1 + value)`.
    pub fn set_log(&mut self, feature: Feature, value: f64) {
        self.set(feature, (1.0 + value.max(0.0)).log10());
    }

    /// Features from their values in the order of [`Feature::ALL`]; `None` where one is not finite.
    pub fn of(values: [f32; COUNT]) -> Option<Self> {
        values.iter().all(|value| value.is_finite()).then_some(Self(values))
    }

    /// A feature.
    pub fn get(&self, feature: Feature) -> f32 {
        self.0[feature as usize]
    }

    /// All values in the order of [`Feature::ALL`].
    pub fn values(&self) -> &[f32; COUNT] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_feature_is_ever_nan_or_infinite() {
        let mut features = Features::default();
        for value in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            for &feature in Feature::ALL {
                features.set(feature, value);
                assert!(features.get(feature).is_finite());
                features.set_log(feature, value);
                assert!(features.get(feature).is_finite());
            }
        }
    }

    #[test]
    fn the_book_lists_every_feature_with_its_unit() {
        let book = include_str!("../../docs/planner.md");
        for feature in Feature::ALL {
            let row = format!("| `{}` | {} | {} |", feature.name(), feature.unit(), feature.description());
            assert!(book.contains(&row), "docs/planner.md lacks: {row}");
        }
    }

    #[test]
    fn names_are_distinct_and_in_order() {
        for (index, feature) in Feature::ALL.iter().enumerate() {
            assert_eq!(*feature as usize, index);
            assert!(Feature::ALL[index + 1..].iter().all(|other| other.name() != feature.name()));
        }
    }
}
