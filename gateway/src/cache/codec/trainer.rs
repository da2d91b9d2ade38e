//! When a dictionary is trained, and from what: a bounded random sample of the bodies that are being stored.
//!
//! The first is trained as soon as there is enough to learn from, others from what comes after packing has become a tenth worse.
//! A new dictionary replaces the old one only where it packs bodies better that neither has been trained on.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::{Codec, Dictionary};

/// Most bodies that are kept to learn from, and the most bytes.
const SAMPLES: usize = 1_024;
const SAMPLE_BYTES: usize = 8 << 20;
/// Longer bodies gain nothing from a dictionary.
const LONGEST: usize = 64 << 10;
/// Fewest bodies, and bytes, that are learnt from.
const ENOUGH: usize = 256;
const ENOUGH_BYTES: usize = 128 << 10;
/// Largest dictionary, and how many bytes of samples a byte of it needs.
const DICTIONARY_BYTES: usize = 64 << 10;
const BYTES_PER_BYTE: usize = 8;
/// Every so many samples one is kept back to judge by.
const JUDGED: usize = 8;
/// How much better a new dictionary has to be.
const BETTER: f64 = 1.02;
/// Ratios are averaged over about so many bodies.
const WINDOW: f64 = 512.0;
/// The part of its first ratio below which a dictionary is outdated.
const OUTDATED: f64 = 0.9;

/// Learns from bodies, and says how to pack them.
pub struct Trainer {
    level: i32,
    state: Mutex<State>,
}

struct State {
    codec: Codec,
    samples: Vec<Vec<u8>>,
    bytes: usize,
    /// Bodies seen since the sample began.
    seen: u64,
    /// Bytes before and after packing, both fading.
    packed: (f64, f64),
    /// Bodies packed since there is this codec.
    since: u64,
    /// The ratio once the window was full.
    reference: Option<f64>,
    training: bool,
    /// Whether there was a training.
    trained: bool,
    /// Bodies are not what they were at the last one.
    drifted: bool,
    random: SmallRng,
}

impl Trainer {
    /// One that packs without a dictionary until there is one.
    pub fn new(level: i32) -> Self {
        let state = State {
            codec: Codec::Zstd(level),
            samples: Vec::new(),
            bytes: 0,
            seen: 0,
            packed: (0.0, 0.0),
            since: 0,
            reference: None,
            training: false,
            trained: false,
            drifted: false,
            random: SmallRng::from_rng(&mut rand::rng()),
        };
        Self { level, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How bodies are packed now.
    pub fn codec(&self) -> Codec {
        self.state().codec.clone()
    }

    /// The dictionary in use.
    pub fn dictionary(&self) -> Option<Arc<Dictionary>> {
        if let Codec::Trained(dictionary) = &self.state().codec { Some(dictionary.clone()) } else { None }
    }

    /// From now on bodies are packed with this dictionary.
    pub fn adopt(&self, dictionary: Arc<Dictionary>) {
        let mut state = self.state();
        state.codec = Codec::Trained(dictionary);
        (state.since, state.packed, state.reference) = (0, (0.0, 0.0), None);
    }

    /// Takes note of a body and of its length when packed. Whether it is time to train; who is told so has to
    /// [`train`](Self::train).
    pub fn observe(&self, body: &[u8], packed: usize) -> bool {
        if body.is_empty() || body.len() > LONGEST {
            return false;
        }
        let mut state = self.state();
        let state = &mut *state;
        state.sample(body);
        let fading = 1.0 - 1.0 / WINDOW;
        state.packed.0 = state.packed.0 * fading + body.len() as f64;
        state.packed.1 = state.packed.1 * fading + packed as f64;
        state.since += 1;
        let ratio = state.packed.0 / state.packed.1.max(1.0);
        if state.since as f64 >= WINDOW && state.reference.is_none() {
            state.reference = Some(ratio);
        }
        if !state.drifted && state.reference.is_some_and(|reference| ratio < OUTDATED * reference) {
            // What came before says nothing of what comes now.
            state.drifted = true;
            state.forget();
        }
        let enough = state.samples.len() >= ENOUGH && state.bytes >= ENOUGH_BYTES;
        let first = !state.trained && !matches!(state.codec, Codec::Trained(_));
        let now = enough && (first || state.drifted) && !state.training;
        state.training |= now;
        now
    }

    /// Trains on what was seen; takes tenths of a second. A dictionary that is worth having: the caller stores it, then
    /// [`adopt`](Self::adopt)s it.
    pub fn train(&self) -> Option<Dictionary> {
        let (samples, codec) = {
            let mut state = self.state();
            (state.forget(), state.codec.clone())
        };
        let trained = train(&samples, self.level, &codec);
        let mut state = self.state();
        (state.training, state.trained, state.drifted) = (false, true, false);
        // Where the old codec stays, it is judged anew from here.
        (state.since, state.packed, state.reference) = (0, (0.0, 0.0), None);
        trained
    }
}

impl State {
    /// Begins a new sample; the old one.
    fn forget(&mut self) -> Vec<Vec<u8>> {
        (self.bytes, self.seen) = (0, 0);
        std::mem::take(&mut self.samples)
    }

    /// Every body seen since the sample began is among the samples with the same probability (Vitter's algorithm R, 1985).
    fn sample(&mut self, body: &[u8]) {
        self.seen += 1;
        if self.samples.len() < SAMPLES && self.bytes + body.len() <= SAMPLE_BYTES {
            self.bytes += body.len();
            self.samples.push(body.to_vec());
            return;
        }
        let at = self.random.random_range(0..self.seen) as usize;
        if let Some(sample) = self.samples.get_mut(at) {
            let bytes = self.bytes - sample.len() + body.len();
            if bytes <= SAMPLE_BYTES {
                self.bytes = bytes;
                sample.clear();
                sample.extend_from_slice(body);
            }
        }
    }
}

fn train(samples: &[Vec<u8>], level: i32, present: &Codec) -> Option<Dictionary> {
    // The same body on both sides would be judged as learnt by heart.
    let mut distinct = HashSet::new();
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).filter(|sample| distinct.insert(*sample)).collect();
    let (mut learnt, mut judged) = (Vec::new(), Vec::new());
    for (i, sample) in samples.iter().enumerate() {
        if i % JUDGED == 0 { &mut judged } else { &mut learnt }.push(*sample);
    }
    let bytes: usize = learnt.iter().map(|sample| sample.len()).sum();
    let size = (bytes / BYTES_PER_BYTE).min(DICTIONARY_BYTES);
    let bytes = ::zstd::dict::from_samples(&learnt, size).ok()?;
    let dictionary = Arc::new(Dictionary::new(bytes, level)?);
    let total = |codec: &Codec| -> f64 {
        judged.iter().map(|body| codec.pack(body).map_or(body.len(), |(_, packed)| packed.len()) as f64).sum()
    };
    let better = total(present) > BETTER * total(&Codec::Trained(dictionary.clone()));
    if better { Arc::into_inner(dictionary) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::codec::{DictionaryId, NoDictionaries, Packing, unpack};

    /// Something of its own, and something that all bodies of a kind have in common.
    fn body(i: u32, kind: &str) -> Vec<u8> {
        let common: String =
            (0..8).map(|part| format!("{} ", blake3::hash(format!("{kind}{part}").as_bytes()))).collect();
        format!("{{\"id\":\"{}\",\"common\":\"{common}\"}}", blake3::hash(&i.to_le_bytes())).into_bytes()
    }

    fn feed(trainer: &Trainer, bodies: impl Iterator<Item = Vec<u8>>) -> bool {
        bodies.into_iter().any(|body| {
            let packed = trainer.codec().pack(&body).map_or(body.len(), |(_, packed)| packed.len());
            trainer.observe(&body, packed)
        })
    }

    #[test]
    fn a_dictionary_is_trained_once_there_is_enough_to_learn_and_again_when_the_mix_has_changed() {
        let trainer = Trainer::new(3);
        assert!(matches!(trainer.codec(), Codec::Zstd(3)) && trainer.dictionary().is_none());
        assert!(feed(&trainer, (0..4_000).map(|i| body(i, "package"))));
        let first = trainer.train().expect("bodies are alike");
        assert!(first.bytes().len() <= DICTIONARY_BYTES);
        let sample = body(9_999, "package");
        let plain = trainer.codec().pack(&sample).unwrap().1.len();
        trainer.adopt(Arc::new(first));
        let (packing, packed) = trainer.codec().pack(&sample).unwrap();
        assert!(packed.len() < plain, "{} against {plain}", packed.len());
        assert_eq!(unpack(packing, &packed, sample.len(), &NoDictionaries), Err(crate::cache::Flaw::UnknownDictionary));

        assert!(!feed(&trainer, (5_000..9_000).map(|i| body(i, "package"))), "nothing has changed");
        assert!(feed(&trainer, (0..4_000).map(|i| body(i, "person"))));
        assert!(trainer.train().is_some());
    }

    #[test]
    fn noise_gives_no_dictionary_and_is_not_trained_on_again_and_again() {
        let trainer = Trainer::new(3);
        let noise = |i: u32| {
            let mut bytes = vec![0; 1_000];
            blake3::Hasher::new().update(&i.to_le_bytes()).finalize_xof().fill(&mut bytes);
            bytes
        };
        assert!(feed(&trainer, (0..2_000).map(noise)));
        assert!(trainer.train().is_none());
        assert!(!feed(&trainer, (2_000..5_000).map(noise)));
    }

    #[test]
    fn what_is_kept_to_learn_from_is_bounded() {
        let trainer = Trainer::new(1);
        for i in 0..3_000_u32 {
            trainer.observe(&vec![i as u8; LONGEST - (i % 7) as usize], 100);
        }
        let state = trainer.state();
        assert!(state.samples.len() <= SAMPLES && state.bytes <= SAMPLE_BYTES);
        assert_eq!(state.bytes, state.samples.iter().map(Vec::len).sum::<usize>());
    }

    #[test]
    fn a_dictionary_goes_by_its_bytes_and_other_bytes_are_none() {
        assert!(Dictionary::new(b"not a dictionary".to_vec(), 3).is_none());
        let samples: Vec<_> = (0..500).map(|i| body(i, "x")).collect();
        let bytes = ::zstd::dict::from_samples(&samples, 4_096).unwrap();
        let dictionary = Arc::new(Dictionary::new(bytes.clone(), 3).unwrap());
        assert_eq!(dictionary.id(), DictionaryId::of(&bytes));
        let packing = Codec::Trained(dictionary.clone()).pack(&samples[0]).unwrap().0;
        assert_eq!(packing, Packing::Trained(dictionary.id()));
    }
}
