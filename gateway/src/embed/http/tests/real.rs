//! A real model behind a real server: all-MiniLM-L6-v2, which the packages were embedded with.

use super::{gateway::Running, *};
use crate::{backend::testing_servers, demo_data};

fn real(protocol: Protocol, url: &str) -> Arc<HttpEmbedder> {
    let settings = HttpEmbedderSettings {
        model: "all-minilm".into(),
        dimensions: 384,
        normalize: true,
        batch_wait: Duration::from_millis(2),
        ..settings(url)
    };
    HttpEmbedder::new(protocol, settings).expect("sound settings")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_makes_the_vectors_that_were_recorded() {
    let Some(url) = testing_servers::embeddings() else { return };
    let asked: Vec<_> = demo_data::queries().into_iter().filter(|query| query.text.is_some()).collect();
    assert!(asked.len() >= 50, "{}", asked.len());
    let texts: Vec<&str> = asked.iter().filter_map(|query| query.text.as_deref()).collect();
    for protocol in [Protocol::OpenAi, Protocol::Ollama] {
        let embedder = real(protocol, &url);
        embedder.probe(&within(LONG)).await.unwrap();
        for (query, vector) in asked.iter().zip(embed(&embedder, &texts).await.unwrap()) {
            let cosine: f32 = vector.unwrap().iter().zip(&query.vector).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.999, "{:?} {cosine}", query.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_finds_what_its_recorded_vector_finds() {
    let Some(url) = testing_servers::embeddings() else { return };
    let running = Running::start(real(Protocol::OpenAi, &url)).await;
    let (mut places, mut same) = (0, 0);
    for query in demo_data::queries() {
        let Some(text) = &query.text else { continue };
        let mut body = query.body();
        body["vector"] = serde_json::json!({ "text": text });
        // A model on a busy machine takes its time.
        body["options"] = serde_json::json!({ "deadline_ms": 60_000 });
        let (status, _, answer) = running.ask(&body).await;
        assert_eq!(status, 200, "{answer}");
        let items = answer["items"].as_array().unwrap();
        assert_eq!(items.len(), query.expected.len(), "{}", query.qid);
        for ((item, score), id) in items.iter().zip(&query.scores).zip(&query.expected) {
            // The recorded vectors have 16 bits a component.
            let difference = (item["score"].as_f64().unwrap() - score).abs();
            assert!(difference < 2e-3, "{}: {difference}", query.qid);
            places += 1;
            same += usize::from(item["id"] == id.as_str());
        }
    }
    // Neighbours whose scores differ by less than that may have changed places.
    assert!(places > 300 && same * 100 >= places * 95, "{same} of {places}");
    running.stop().await;
}
