//! The models that come with the source.

use planner_model::{MAX_BYTES, Model, schema_hash};

#[test]
fn the_model_that_comes_along_is_sound_and_speaks_of_every_plan() {
    let bytes = include_bytes!("../models/packages.forebay-model");
    assert!(bytes.len() < MAX_BYTES);
    // This asks its golden vectors, too.
    let model = Model::decode(bytes).unwrap();
    for plan in ["vector-first", "graph-first", "parallel", "filtered-vector", "cached-partial"] {
        let place = model.plan_index(plan).unwrap_or_else(|| panic!("no forest for {plan}"));
        assert!(model.observations(place) >= 200, "{plan}: {}", model.observations(place));
    }
    assert!(model.is_relative() && model.has_duels());
    assert_eq!(model.encode().unwrap(), bytes, "schema {:?}", schema_hash());
}
