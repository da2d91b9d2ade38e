//! Any bytes as a model file, and any bytes as the content of one whose header and checksum are right: the decoder refuses
//! them or gives a model that can be asked and that is written and read again as the same. Seeds are small models.

#![no_main]

use libfuzzer_sys::fuzz_target;
use planner_model::{Contestant, Contender, FORMAT_VERSION, Feature, Model, choose, schema_hash};

const HEADER: usize = 44;
const CHECKSUM: usize = 32;

/// The bytes with the header and the checksum that they need.
fn intact(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = bytes.get(HEADER..bytes.len().checked_sub(CHECKSUM)?)?;
    let mut file = b"FOREBAYM".to_vec();
    file.extend(FORMAT_VERSION.to_le_bytes());
    file.extend(schema_hash());
    file.extend(content);
    file.extend(blake3::hash(&file).as_bytes());
    Some(file)
}

fn ask(model: &Model) {
    for value in [0.5, f32::NAN, f32::MAX] {
        let features = vec![value; Feature::ALL.len()];
        let contender = |plan| {
            let estimate = model.predict(plan, &features);
            assert!(estimate.is_none_or(|estimate| !estimate.sd.is_nan() && estimate.sd > 0.0));
            let ln_ms = estimate.map_or(0.0, |estimate| estimate.ln_ms);
            Contender { candidate: Contestant { plan, features: &features }, ln_ms }
        };
        let contenders: Vec<_> = (0..model.plans().len()).map(contender).collect();
        let choice = choose(Some(model), &contenders).expect("there is a plan");
        assert!(choice.index < contenders.len());
        model.contributions(choice.index, &features);
        model.thresholds(choice.index, 0);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Model::decode(bytes);
    if let Some(Ok(model)) = intact(bytes).map(|file| Model::decode(&file)) {
        ask(&model);
        let again = model.encode().expect("what was read can be written");
        let again = Model::decode(&again).expect("what was written can be read");
        assert_eq!(again.card(), model.card());
        assert_eq!(again.size(), model.size());
    }
});
