use std::sync::Arc;

use super::{
    testing::{Says, file, ranged, uniform},
    *,
};
use crate::planner::{
    PlanKind,
    experience::testing::{Run, experienced},
};

fn predicts(models: &Models, kind: PlanKind) -> Result<f64, planner_model::Silence> {
    let current = models.current();
    let model = current.model.as_ref().expect("a model is in place");
    model.predict(kind as usize, &Default::default()).map(|prediction| prediction.us)
}

#[test]
fn a_sound_file_predicts_and_the_one_before_is_one_call_away() {
    let (models, experience) = (Models::default(), Experience::default());
    let epochs = [models.current().epoch, experience.epoch()];
    models.promote(&uniform(100.0), Origin::Admin, &experience).unwrap();
    assert!((predicts(&models, PlanKind::Parallel).unwrap() / 100.0 - 1.0).abs() < 1e-4);
    models.promote(&uniform(200.0), Origin::Admin, &experience).unwrap();
    assert!((predicts(&models, PlanKind::Parallel).unwrap() / 200.0 - 1.0).abs() < 1e-4);
    models.roll_back(&experience).unwrap();
    assert!((predicts(&models, PlanKind::Parallel).unwrap() / 100.0 - 1.0).abs() < 1e-4);
    assert_eq!(models.current().epoch, epochs[0] + 3, "each change drops decisions");
    assert_eq!(experience.epoch(), epochs[1] + 3);
    // The two change places.
    models.roll_back(&experience).unwrap();
    assert!((predicts(&models, PlanKind::Parallel).unwrap() / 200.0 - 1.0).abs() < 1e-4);
    assert_eq!(models.counted(), [2, 0, 2]);
}

#[test]
fn a_file_that_is_off_anywhere_is_refused_and_the_running_model_stays() {
    let (models, experience) = (Models::default(), Experience::default());
    models.promote(&uniform(100.0), Origin::File, &experience).unwrap();
    let sound = uniform(50.0);
    let mut refused = 0;
    for at in (0..sound.len()).step_by(7) {
        let mut off = sound.clone();
        off[at] ^= 0x10;
        assert!(matches!(models.promote(&off, Origin::Admin, &experience), Err(Refused::File(_))), "byte {at}");
        assert!(models.promote(&sound[..at], Origin::Admin, &experience).is_err(), "{at} bytes");
        refused += 2;
    }
    assert!((predicts(&models, PlanKind::Parallel).unwrap() / 100.0 - 1.0).abs() < 1e-4);
    assert_eq!(models.counted(), [1, refused, 0]);
    let report = models.report();
    assert_eq!((report.current.origin, report.refused.unwrap().kind), ("file", "file"));
}

#[test]
fn there_is_nothing_before_the_first_model_and_the_analytic_costs_before_the_second() {
    let (models, experience) = (Models::default(), Experience::default());
    assert_eq!(models.roll_back(&experience).err(), Some(Refused::NothingBefore));
    models.promote(&uniform(100.0), Origin::Admin, &experience).unwrap();
    assert!(models.roll_back(&experience).unwrap().is_none());
    assert!(models.current().model.is_none());
    assert_eq!(&*models.current().name, "analytic");
}

#[test]
fn plans_that_are_cold_outside_or_thin_are_not_predicted() {
    let says = [
        Says::us(PlanKind::VectorFirst, 1.0),
        Says { observations: 199, ..Says::us(PlanKind::GraphFirst, 1.0) },
        Says { support: 4.0, ..Says::us(PlanKind::Parallel, 1.0) },
    ];
    let (models, experience) = (Models::default(), Experience::default());
    models.promote(&file(&says), Origin::Admin, &experience).unwrap();
    use planner_model::Silence;
    assert!(predicts(&models, PlanKind::VectorFirst).is_ok());
    assert_eq!(predicts(&models, PlanKind::GraphFirst), Err(Silence::Untrained));
    assert_eq!(predicts(&models, PlanKind::Parallel), Err(Silence::Thin));
    assert_eq!(predicts(&models, PlanKind::CachedPartial), Err(Silence::Untrained), "not in the file");
    models.promote(&ranged(&says, [1.0, 2.0]), Origin::Admin, &experience).unwrap();
    assert!(matches!(predicts(&models, PlanKind::VectorFirst), Err(Silence::Outside(_))));
}

#[test]
fn a_model_that_does_worse_on_the_last_runs_is_refused() {
    // All plans take 100 µs.
    let experience = experienced((0..200).map(|_| Run { us: 100.0, ..Run::default() }));
    let models = Models::default();
    models.promote(&uniform(110.0), Origin::Admin, &experience).unwrap();
    assert!(matches!(
        models.promote(&uniform(300.0), Origin::Admin, &experience),
        Err(Refused::Worse(Worse::Error { runs: 200, .. }))
    ));
    assert!((predicts(&models, PlanKind::Parallel).unwrap() / 110.0 - 1.0).abs() < 1e-4);
    models.promote(&uniform(105.0), Origin::Admin, &experience).unwrap();
}

#[test]
fn a_model_that_picks_the_slower_of_pairs_is_refused_however_well_it_predicts() {
    let pair = |group: usize| {
        let run = |kind, us| Run { kind, us, group: Some(group), ..Run::default() };
        [run(PlanKind::VectorFirst, 100.0), run(PlanKind::GraphFirst, 105.0)]
    };
    let experience = experienced((0..60).flat_map(pair));
    let model = |vector, graph| file(&[Says::us(PlanKind::VectorFirst, vector), Says::us(PlanKind::GraphFirst, graph)]);
    let models = Models::default();
    models.promote(&model(93.0, 98.0), Origin::Admin, &experience).unwrap();
    // Nearer to the truth, the wrong way round.
    assert!(matches!(
        models.promote(&model(103.0, 102.0), Origin::Admin, &experience),
        Err(Refused::Worse(Worse::Regret { pairs: 60, .. }))
    ));
    models.promote(&model(100.0, 105.0), Origin::Admin, &experience).unwrap();
}

#[tokio::test]
async fn gateways_that_share_an_object_store_take_each_others_models() {
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let gateway = || (ModelSource::new(store.clone()), Arc::new(Models::default()), Arc::new(Experience::default()));
    let [(ours, models, experience), (theirs, other, learnt)] = [gateway(), gateway()];
    assert!(!theirs.look(&other, &learnt).await.unwrap(), "nothing is there yet");
    let file = uniform(100.0);
    let trained = models.promote(&file, Origin::Admin, &experience).unwrap();
    ours.publish(Some((&trained, file.into()))).await.unwrap();
    assert!(theirs.look(&other, &learnt).await.unwrap());
    assert_eq!(other.current().name, models.current().name);
    assert!(!theirs.look(&other, &learnt).await.unwrap(), "it was seen");
    assert!(!ours.look(&models, &experience).await.unwrap(), "it is our own");
    // Back to none.
    models.roll_back(&experience).unwrap();
    ours.publish(None).await.unwrap();
    assert!(theirs.look(&other, &learnt).await.unwrap());
    assert!(other.current().model.is_none());
}

#[tokio::test]
async fn what_is_off_in_the_object_store_changes_nothing_and_is_tried_once() {
    use object_store::{ObjectStoreExt as _, path::Path};
    let store = Arc::new(object_store::memory::InMemory::new());
    let source = ModelSource::new(store.clone());
    let (models, experience) = (Arc::new(Models::default()), Arc::new(Experience::default()));
    let put = async |name: &str, bytes: Vec<u8>| {
        store.put(&Path::from(name), bytes.into()).await.unwrap();
    };
    for name in ["", "../../etc/passwd", "Ümlaut", &"a".repeat(65)] {
        put("models/current", name.as_bytes().to_vec()).await;
        assert!(matches!(source.look(&models, &experience).await, Err(SourceError::Name)), "{name:?}");
    }
    put("models/current", b"0123456789abcdef".to_vec()).await;
    assert!(matches!(source.look(&models, &experience).await, Err(SourceError::Store(_))), "no such file");
    put("models/0123456789abcdef.forebay-model", uniform(1.0)).await;
    assert!(source.look(&models, &experience).await.unwrap());
    assert!(!source.look(&models, &experience).await.unwrap(), "it was judged");
    assert!(models.current().model.is_none());
    assert_eq!(models.counted(), [0, 1, 0]);
}
