//! Which vectors are accepted.

use std::sync::Arc;

use super::fault::ReplyProblem;

/// A text's vector; `None` if it has none.
pub(super) type Vector = Option<Arc<[f32]>>;

/// What vectors have to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) dimensions: usize,
    /// Whether they are scaled to length 1.
    pub(super) normalize: bool,
}

impl Wanted {
    /// A vector of a reply as it is given on. A zero vector has no direction and can be compared with nothing: a model that
    /// gives one says that it made nothing of the text.
    pub(super) fn accept(self, mut vector: Vec<f32>) -> Result<Vector, ReplyProblem> {
        if vector.len() != self.dimensions {
            return Err(ReplyProblem::Dimensions { expected: self.dimensions, came: vector.len() });
        }
        if !vector.iter().all(|x| x.is_finite()) {
            return Err(ReplyProblem::NotFinite);
        }
        // In 64 bits neither the sum of squares overflows nor a tiny vector vanishes.
        let length = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length == 0.0 {
            return Ok(None);
        }
        if self.normalize {
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
        Ok(Some(vector.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_finite_vectors_are_accepted() {
        let wanted = Wanted { dimensions: 2, normalize: false };
        assert_eq!(wanted.accept(vec![3.0, 4.0]).unwrap().as_deref(), Some([3.0, 4.0].as_slice()));
        assert_eq!(wanted.accept(vec![1.0]), Err(ReplyProblem::Dimensions { expected: 2, came: 1 }));
        assert_eq!(wanted.accept(vec![1.0, f32::NAN]), Err(ReplyProblem::NotFinite));
        assert_eq!(wanted.accept(vec![f32::INFINITY, 0.0]), Err(ReplyProblem::NotFinite));
        assert_eq!(wanted.accept(vec![0.0, -0.0]), Ok(None));
    }

    #[test]
    fn vectors_of_any_length_are_scaled_to_one() {
        let wanted = Wanted { dimensions: 2, normalize: true };
        for scale in [1.0, 1e-30, 5e37] {
            let scaled = wanted.accept(vec![3.0 * scale, 4.0 * scale]).unwrap().unwrap();
            assert!((scaled[0] - 0.6).abs() < 1e-6 && (scaled[1] - 0.8).abs() < 1e-6, "{scale}: {scaled:?}");
        }
        assert_eq!(wanted.accept(vec![0.0, 0.0]), Ok(None));
    }
}
