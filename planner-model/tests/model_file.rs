//! Model files from strangers: whatever the bytes, decoding gives a model or a reason, and a model that was decoded can be
//! asked.
#![cfg(feature = "train")]

use std::sync::LazyLock;

use planner_model::train::{Growth, Settings, synthetic, train};
use planner_model::{Contender, Contestant, Feature, Model, ModelError, choose};
use proptest::prelude::*;

const CHECKSUM: usize = 32;
/// Magic, version and schema hash.
const HEADER: usize = 44;

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let mut settings = Settings { trees: 3, threads: 2, created: Some("2026-01-01".into()), ..Settings::default() };
    settings.growth = vec![Growth { depth: 4, min_leaf: 4, mtry: 10 }];
    settings.constants.insert("ns_per_row".into(), 0.1 + 0.2);
    if let Some(duel) = &mut settings.duel {
        (duel.trees, duel.depth, duel.queries) = (5, 4, 60);
    }
    train(&synthetic::observations(400, 1), &settings).expect("made-up rows can be trained on").model
});
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| MODEL.encode().expect("sound"));

fn manifest_length() -> usize {
    u32::from_le_bytes(FILE[HEADER..HEADER + 4].try_into().expect("four bytes")) as usize
}

/// Where forests start.
fn forests() -> usize {
    HEADER + 4 + manifest_length()
}

fn signed(mut content: Vec<u8>) -> Vec<u8> {
    let checksum = blake3::hash(&content);
    content.extend(checksum.as_bytes());
    content
}

/// The file with its content changed and a checksum that fits.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut content = FILE[..FILE.len() - CHECKSUM].to_vec();
    change(&mut content);
    signed(content)
}

/// The file with other words in its manifest.
fn reworded(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let end = forests();
    let mut manifest: serde_json::Value = serde_json::from_slice(&FILE[HEADER + 4..end]).expect("JSON");
    change(&mut manifest);
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    changed(|content| {
        let length = (manifest.len() as u32).to_le_bytes();
        content.splice(HEADER..end, length.into_iter().chain(manifest));
    })
}

fn refusal(file: &[u8]) -> ModelError {
    Model::decode(file).expect_err("this file is off")
}

/// Asks everything that can be asked in the path of a query. Must not panic, and must not give what is no number.
fn ask(model: &Model) {
    let width = Feature::ALL.len();
    for value in [0.0, -3.0, 1e30, f32::NAN] {
        let features = vec![value; width];
        let mut contenders = Vec::new();
        for plan in 0..model.plans().len() {
            let candidate = Contestant { plan, features: &features };
            let estimate = model.predict(plan, &features);
            if let Some(estimate) = estimate.filter(|_| value.abs() < 10.0) {
                assert!(estimate.ln_ms.is_finite() && estimate.sd > 0.0 && estimate.support >= 0.0);
            }
            contenders.push(Contender { candidate, ln_ms: estimate.map_or(0.0, |estimate| estimate.ln_ms) });
        }
        let choice = choose(Some(model), &contenders).expect("there are contenders");
        assert!(choice.index < contenders.len());
        if let Some(share) = model.duel(contenders[0].candidate, contenders[0].candidate) {
            assert!((0.0..=1.0).contains(&share));
        }
    }
    model.contributions(0, &vec![0.0; width]);
    model.thresholds(0, 0);
}

#[test]
fn a_file_gives_the_model_back() {
    let back = Model::decode(&FILE).expect("sound");
    assert_eq!(back, *MODEL);
    assert_eq!(back.encode().expect("sound"), *FILE);
    assert_eq!(back.constant("ns_per_row"), Some(0.1 + 0.2));
    assert_eq!(back.checksum()[..], FILE[FILE.len() - CHECKSUM..]);
    ask(&back);
}

#[test]
fn fields_that_a_later_card_has_are_kept() {
    let file = reworded(|manifest| manifest["card"]["machine"] = "a fast one".into());
    let model = Model::decode(&file).expect("sound");
    assert_eq!(model.card().more["machine"], "a fast one");
    let again = Model::decode(&model.encode().expect("sound")).expect("sound");
    assert_eq!(again.card(), model.card());
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for length in (0..FILE.len()).step_by(7) {
        refusal(&FILE[..length]);
        // With a checksum that fits what is left.
        if length < FILE.len() - CHECKSUM {
            refusal(&signed(FILE[..length].to_vec()));
        }
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    for index in (0..FILE.len()).step_by(3) {
        let mut file = FILE.clone();
        file[index] ^= 1 << (index % 8);
        refusal(&file);
    }
}

#[test]
fn the_reason_is_the_right_one() {
    let mut file = FILE.clone();
    file[0] = b'X';
    assert_eq!(refusal(&file), ModelError::Magic);
    assert_eq!(refusal(&changed(|content| content[8] = 1)), ModelError::Version { found: 1 });
    assert!(matches!(refusal(&changed(|content| content[12] ^= 1)), ModelError::Schema { .. }));
    assert_eq!(refusal(&changed(|content| content.push(0))), ModelError::Trailing { bytes: 1 });
    assert!(matches!(refusal(&changed(|content| content[HEADER + 4] = b'?')), ModelError::Manifest(_)));
    let long = changed(|content| content[HEADER..HEADER + 4].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert!(matches!(refusal(&long), ModelError::TooMany { things: "bytes of manifest", .. }));
    let mut damaged = FILE.clone();
    damaged[100] ^= 1;
    assert_eq!(refusal(&damaged), ModelError::Checksum);
    assert_eq!(refusal(&[]), ModelError::Truncated { part: "header" });

    let many_trees = changed(|content| content[forests()..forests() + 4].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert!(refusal(&many_trees).to_string().contains("trees"), "{}", refusal(&many_trees));
    let many_nodes =
        changed(|content| content[forests() + 4..forests() + 8].copy_from_slice(&(1_u32 << 24).to_le_bytes()));
    assert_eq!(refusal(&many_nodes), ModelError::Truncated { part: "forests" });
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused() {
    let field = |file: Vec<u8>| match refusal(&file) {
        ModelError::Field { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field(reworded(|manifest| manifest["near_tie"] = 0.5.into())), "near_tie");
    assert_eq!(field(reworded(|manifest| manifest["plans"][1]["name"] = "vector-first".into())), "plans");
    assert_eq!(field(reworded(|manifest| manifest["plans"][1]["name"] = "".into())), "name");
    assert_eq!(field(reworded(|manifest| manifest["plans"][0]["ranges"][2] = [2.0, 1.0].into())), "ranges");
    assert_eq!(field(reworded(|manifest| manifest["plans"][0]["ranges"][2] = [0.0, 1e300].into())), "ranges");
    assert_eq!(field(reworded(|manifest| manifest["plans"][0]["ranges"] = serde_json::json!([]))), "ranges");
    assert_eq!(field(reworded(|manifest| manifest["plans"][0]["factors"][4] = (-9.0).into())), "factors");
    assert_eq!(
        field(reworded(|manifest| manifest["duel_inputs"][0] = serde_json::json!({"first": 200}))),
        "duel_inputs"
    );
    assert_eq!(field(reworded(|manifest| manifest["plans"] = serde_json::json!([]))), "plans");
    let unknown = reworded(|manifest| manifest["more"] = 1.into());
    assert!(matches!(refusal(&unknown), ModelError::Manifest(_)));
    let nested = changed(|content| {
        let deep = "[".repeat(100_000);
        let length = (deep.len() as u32).to_le_bytes();
        content.splice(HEADER..forests(), length.into_iter().chain(deep.into_bytes()));
    });
    assert!(matches!(refusal(&nested), ModelError::Manifest(_)));
}

#[test]
fn a_forest_that_says_something_else_than_its_golden_vectors_is_refused() {
    let trees = 3;
    let nodes = u32::from_le_bytes(FILE[forests() + 4..forests() + 8].try_into().expect("four bytes")) as usize;
    let first_node = forests() + 8 + 4 * trees;
    // Every leaf of the first forest says something else.
    let file = changed(|content| {
        for node in content[first_node..first_node + 8 * nodes].chunks_exact_mut(8) {
            if node[4] == 255 {
                node[..4].copy_from_slice(&50_f32.to_le_bytes());
            }
        }
    });
    assert!(matches!(refusal(&file), ModelError::Golden { index: 0, expected: _, found: 50.0 }), "{}", refusal(&file));
    for bad in [f32::NAN, f32::INFINITY] {
        let file = changed(|content| content[first_node..first_node + 4].copy_from_slice(&bad.to_le_bytes()));
        assert!(refusal(&file).to_string().contains("not finite"), "{}", refusal(&file));
    }
    // The first root leads to itself, to the next tree, and tests what does not exist.
    for link in [5_u32, 1 << 8 | 200, (nodes as u32 - 1) << 8 | 5] {
        let file = changed(|content| content[first_node + 4..first_node + 8].copy_from_slice(&link.to_le_bytes()));
        assert!(matches!(refusal(&file), ModelError::Forest { .. }), "{}", refusal(&file));
    }
}

#[test]
fn a_duel_forest_that_says_anything_but_yes_and_no_is_refused() {
    let word = |at: usize| u32::from_le_bytes(FILE[at..at + 4].try_into().expect("four bytes")) as usize;
    let nodes_of = |at: usize| {
        let (trees, nodes) = (word(at), word(at + 4));
        let start = at + 8 + 4 * trees;
        (start, nodes, (0..nodes).filter(|node| FILE[start + 8 * node + 4] == 255).collect::<Vec<_>>())
    };
    let mut at = forests();
    for _ in MODEL.plans() {
        let (start, nodes, leaves) = nodes_of(at);
        at = start + 8 * nodes + 8 * leaves.len();
    }
    let (start, _, leaves) = nodes_of(at);
    let leaf = start + 8 * leaves[0];
    let file = changed(|content| content[leaf..leaf + 4].copy_from_slice(&0.5_f32.to_le_bytes()));
    assert_eq!(refusal(&file), ModelError::DuelLeaf);
}

#[test]
fn a_plan_of_few_rows_has_no_forest_in_the_file_either() {
    let data = synthetic::observations(200, 1);
    let settings = Settings { trees: 2, duel: None, least_rows: 100, ..Settings::default() };
    let model = train(&data, &settings).expect("four plans have enough").model;
    let back = Model::decode(&model.encode().expect("sound")).expect("sound");
    assert_eq!(back, model);
    let features = vec![0.0; Feature::ALL.len()];
    assert_eq!(back.predict(4, &features), None);
    assert!(back.predict(3, &features).is_some() && back.observations(4) < 100);
    let sides = [3, 4].map(|plan| Contestant { plan, features: &features });
    assert_eq!(back.duel(sides[0], sides[1]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        refusal(&bytes);
        refusal(&signed(bytes.clone()));
        let mut file = FILE[..HEADER].to_vec();
        file.extend(&bytes);
        refusal(&signed(file));
        let mut file = FILE[..forests()].to_vec();
        file.extend(&bytes);
        refusal(&signed(file));
    }

    #[test]
    fn a_damaged_content_with_a_checksum_that_fits_is_refused_or_can_be_asked(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_forests in any::<bool>(),
    ) {
        let file = changed(|content| {
            let start = if in_forests { forests() } else { 0 };
            for (place, byte) in &damage {
                let place = start + place.index(content.len() - start);
                content[place] ^= byte;
            }
        });
        if let Ok(model) = Model::decode(&file) {
            ask(&model);
        }
    }

    #[test]
    fn a_spliced_content_with_a_checksum_that_fits_is_refused_or_can_be_asked(
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        length in 0_usize..64,
    ) {
        let file = changed(|content| {
            let start = from.index(content.len());
            let part = content[start..(start + length).min(content.len())].to_vec();
            let at = to.index(content.len());
            let end = (at + part.len()).min(content.len());
            content.splice(at..end, part);
        });
        if let Ok(model) = Model::decode(&file) {
            ask(&model);
        }
    }
}
