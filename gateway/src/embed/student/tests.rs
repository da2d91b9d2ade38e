use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::query::Priority;

const GOLDEN: &str = include_str!("../../../../examples/packages/student-embedder/vectors.golden.json");
const VOCABULARY: &[u8] = include_bytes!("../../../../examples/packages/student-embedder/vocab.txt");

#[derive(Deserialize)]
struct Golden {
    text: String,
    tokens: Vec<String>,
    embedding: Option<Vec<f32>>,
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(GOLDEN).unwrap()
}

#[test]
fn golden_texts_have_their_golden_tokens_and_vectors() {
    let student = StudentEmbedder::bundled();
    let vocabulary: Vec<&str> = str::from_utf8(VOCABULARY).unwrap().lines().collect();
    let cases = golden();
    assert_eq!(cases.len(), 20);
    assert!(cases.iter().any(|case| case.embedding.is_none()), "one of them has no embedding");
    for case in cases {
        let rows = tokens::rows(&case.text, &student.rows);
        let words: Vec<&str> = rows.iter().map(|row| vocabulary[*row as usize]).collect();
        assert_eq!(words, case.tokens, "{:?}", case.text);
        let vector = student.embed_text(&case.text);
        assert_eq!(vector.is_some(), case.embedding.is_some(), "{:?}", case.text);
        for (mine, expected) in vector.iter().flatten().zip(case.embedding.iter().flatten()) {
            assert!((mine - expected).abs() < 1e-4, "{:?}: {mine} {expected}", case.text);
        }
    }
}

#[test]
fn an_embedding_has_length_one_and_knows_no_word_order() {
    let student = StudentEmbedder::bundled();
    let vector = student.embed_text("play music files, play more music").unwrap();
    assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    assert_eq!(student.embed_text("Music more FILES play? music... play"), Some(vector));
}

#[test]
fn the_version_changes_with_any_file() {
    let student = StudentEmbedder::bundled();
    let scales = include_bytes!("../../../../examples/packages/student-embedder/scales.f32.npy");
    let vectors = include_bytes!("../../../../examples/packages/student-embedder/vectors.i8.npy");
    let mut other = scales.to_vec();
    *other.last_mut().unwrap() ^= 1;
    let again = StudentEmbedder::from_bytes(VOCABULARY, &Bytes::from_static(vectors), scales).unwrap();
    let changed = StudentEmbedder::from_bytes(VOCABULARY, &Bytes::from_static(vectors), &other).unwrap();
    assert_eq!(student.version(), again.version());
    assert_ne!(student.version(), changed.version());
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let scales = include_bytes!("../../../../examples/packages/student-embedder/scales.f32.npy");
    let vectors = Bytes::from_static(include_bytes!("../../../../examples/packages/student-embedder/vectors.i8.npy"));
    let read = |vocabulary: &[u8], vectors: &Bytes, scales: &[u8]| {
        StudentEmbedder::from_bytes(vocabulary, vectors, scales).map(drop)
    };
    let one_word_more = [VOCABULARY, b"onewordmore\n"].concat();
    assert!(matches!(read(&one_word_more, &vectors, scales), Err(StudentError::Shapes { .. })));
    assert!(matches!(read(&VOCABULARY[..9], &vectors, scales), Err(StudentError::Vocabulary(_))));
    assert!(matches!(
        read(VOCABULARY, &vectors.slice(..1_000), scales),
        Err(StudentError::Npy { file: "vectors", .. })
    ));
    assert!(matches!(read(VOCABULARY, &vectors, &scales[..50]), Err(StudentError::Npy { file: "scales", .. })));
    let mut infinite = scales.to_vec();
    let last = infinite.len() - 4;
    infinite[last..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(matches!(read(VOCABULARY, &vectors, &infinite), Err(StudentError::Scale(_))));
}

#[tokio::test]
async fn texts_are_embedded_in_order_and_empty_ones_have_no_vector() {
    let student = StudentEmbedder::bundled();
    let ctx = CallContext {
        priority: Priority::Normal.into(),
        tenant: None,
        deadline: Instant::now() + Duration::from_secs(600),
        cancelled: CancellationToken::new(),
        request_id: "test".into(),
    };
    let vectors = student.embed(&ctx, &["editor".into(), "?!".into(), "".into()]).await.unwrap();
    assert_eq!(vectors[0].as_deref(), student.embed_text("editor").as_deref());
    assert_eq!((&vectors[1], &vectors[2]), (&None, &None));
    ctx.cancelled.cancel();
    assert!(student.embed(&ctx, &["editor".into()]).await.is_err());
}
