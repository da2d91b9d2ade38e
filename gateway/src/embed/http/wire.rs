//! What is written to a server and read from it.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};

use super::{fault::ReplyProblem, settings::Protocol};

/// What all requests of an embedder have in common.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) protocol: Protocol,
    pub(super) model: String,
    /// How many components are asked for, where that is said.
    pub(super) dimensions: Option<usize>,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

impl Form {
    /// The body of a request.
    pub(super) fn request(&self, texts: &[Arc<str>]) -> Bytes {
        let request = Request {
            model: &self.model,
            input: texts,
            encoding_format: (self.protocol == Protocol::OpenAi).then_some("float"),
            // A vector of the beginning of a text would look like one of the text.
            truncate: (self.protocol == Protocol::Ollama).then_some(false),
            dimensions: self.dimensions,
        };
        serde_json::to_vec(&request).expect("texts are plain data").into()
    }

    /// The vectors in the body of a reply, in the order of the texts. Nothing is known of them yet but their number.
    pub(super) fn vectors(&self, body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, ReplyProblem> {
        match self.protocol {
            Protocol::OpenAi => in_order(read::<OpenAiReply>(body)?.data, texts),
            Protocol::Ollama => {
                let vectors: Vec<_> =
                    read::<OllamaReply>(body)?.embeddings.into_iter().map(|vector| vector.0).collect();
                counted(vectors.len(), texts)?;
                Ok(vectors)
            }
        }
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ReplyProblem> {
    // What the reader says may quote the reply, and the reply may quote a text.
    serde_json::from_slice(body)
        .map_err(|error| ReplyProblem::Unreadable { line: error.line(), column: error.column() })
}

fn counted(came: usize, sent: usize) -> Result<(), ReplyProblem> {
    if came == sent { Ok(()) } else { Err(ReplyProblem::Count { sent, came }) }
}

#[derive(Deserialize)]
struct OpenAiReply {
    data: Vec<OpenAiItem>,
}

#[derive(Deserialize)]
struct OpenAiItem {
    index: Option<usize>,
    embedding: Components,
}

#[derive(Deserialize)]
struct OllamaReply {
    embeddings: Vec<Components>,
}

/// Items by their `index`; as they came where none has one.
fn in_order(items: Vec<OpenAiItem>, texts: usize) -> Result<Vec<Vec<f32>>, ReplyProblem> {
    counted(items.len(), texts)?;
    if items.iter().all(|item| item.index.is_none()) {
        return Ok(items.into_iter().map(|item| item.embedding.0).collect());
    }
    let mut vectors = vec![None; texts];
    for item in items {
        let place = item.index.and_then(|index| vectors.get_mut(index)).ok_or(ReplyProblem::Order)?;
        if place.replace(item.embedding.0).is_some() {
            return Err(ReplyProblem::Order);
        }
    }
    // As many items as places, none twice: every place is taken.
    vectors.into_iter().collect::<Option<_>>().ok_or(ReplyProblem::Order)
}

/// A vector: an array of numbers, or the base64 of 32-bit floats, least significant byte first.
struct Components(Vec<f32>);

impl<'de> Deserialize<'de> for Components {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ComponentsVisitor).map(Self)
    }
}

struct ComponentsVisitor;

impl<'de> Visitor<'de> for ComponentsVisitor {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers or a text of base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<f32>, A::Error> {
        let mut components = Vec::new();
        // Servers in languages whose JSON knows no NaN write null for one; it is refused with the other numbers.
        while let Some(component) = seq.next_element::<Option<f32>>()? {
            components.push(component.unwrap_or(f32::NAN));
        }
        Ok(components)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<f32>, E> {
        let bytes = STANDARD.decode(text).map_err(|_| E::custom("no base64"))?;
        let (components, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("no 32-bit floats"));
        }
        Ok(components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(protocol: Protocol) -> Form {
        Form { protocol, model: "m".into(), dimensions: None }
    }

    fn openai(body: &str, texts: usize) -> Result<Vec<Vec<f32>>, ReplyProblem> {
        form(Protocol::OpenAi).vectors(body.as_bytes(), texts)
    }

    #[test]
    fn requests_are_what_the_protocols_ask_for() {
        let texts: [Arc<str>; 2] = ["a \"b\"".into(), "ü".into()];
        let body = form(Protocol::OpenAi).request(&texts);
        assert_eq!(body, r#"{"model":"m","input":["a \"b\"","ü"],"encoding_format":"float"}"#);
        let body = Form { dimensions: Some(256), ..form(Protocol::Ollama) }.request(&texts[1..]);
        assert_eq!(body, r#"{"model":"m","input":["ü"],"truncate":false,"dimensions":256}"#);
    }

    #[test]
    fn vectors_go_by_their_index_and_without_any_by_their_place() {
        let body = r#"{"data":[{"index":1,"embedding":[2.5]},{"index":0,"embedding":[1]}],"usage":{}}"#;
        assert_eq!(openai(body, 2), Ok(vec![vec![1.0], vec![2.5]]));
        let body = r#"{"data":[{"embedding":[2.5]},{"embedding":[1]}]}"#;
        assert_eq!(openai(body, 2), Ok(vec![vec![2.5], vec![1.0]]));
        for indices in ["0,0", "1,2", "0,null"] {
            let (a, b) = indices.split_once(',').unwrap();
            let body = format!(r#"{{"data":[{{"index":{a},"embedding":[1]}},{{"index":{b},"embedding":[1]}}]}}"#);
            assert_eq!(openai(&body, 2), Err(ReplyProblem::Order), "{indices}");
        }
    }

    #[test]
    fn base64_is_read_as_floats_least_significant_byte_first() {
        // 1.0 is 0000803f and -2.5 is 000020c0.
        assert_eq!(openai(r#"{"data":[{"index":0,"embedding":"AACAPwAAIMA="}]}"#, 1), Ok(vec![vec![1.0, -2.5]]));
        for embedding in ["AACAPwAA", "!", "AACAPwAAIM"] {
            let body = format!(r#"{{"data":[{{"index":0,"embedding":"{embedding}"}}]}}"#);
            assert!(matches!(openai(&body, 1), Err(ReplyProblem::Unreadable { .. })), "{embedding}");
        }
    }

    #[test]
    fn too_few_and_too_many_vectors_are_told() {
        let body = br#"{"model":"m","embeddings":[[1,2],[3,null]]}"#;
        let read = |texts| form(Protocol::Ollama).vectors(body, texts);
        assert_eq!(read(3), Err(ReplyProblem::Count { sent: 3, came: 2 }));
        assert_eq!(read(1), Err(ReplyProblem::Count { sent: 1, came: 2 }));
        assert!(read(2).unwrap()[1][1].is_nan());
    }

    #[test]
    fn a_reply_that_is_something_else_is_told_by_its_place_alone() {
        for body in ["", "<html>", "[]", "{}", r#"{"data":"secret"}"#, r#"{"data":[{"index":0,"embedding":[NaN]}]}"#] {
            let problem = openai(body, 1).unwrap_err();
            assert!(matches!(problem, ReplyProblem::Unreadable { .. }), "{body}");
            assert!(!problem.to_string().contains("secret"));
        }
    }
}
