//! What a server says about an error, as far as it may be passed on.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value as Json;

use super::settings::ApiKey;

/// Longest message passed on, in characters.
const MAX_CHARS: usize = 200;

/// A message that has so many bytes in a row in common with a text counts as quoting it.
const QUOTED_BYTES: usize = 12;

/// The message in the body of an error: one line of bounded length, or nothing where it quotes a text or the key.
///
/// Known places are `error.message` (OpenAI), `error` (Ollama), `message` and `detail`; anything else is left alone, as
/// servers that check their input by a schema send the input back.
pub(super) fn of_error(body: &[u8], texts: &[Arc<str>], key: Option<&ApiKey>) -> Option<String> {
    let json: Json = serde_json::from_slice(body).ok()?;
    let places = [&json["error"]["message"], &json["error"], &json["message"], &json["detail"]];
    let said = places.into_iter().find_map(Json::as_str)?;
    let quotes = texts.iter().any(|text| quotes(said, text)) || key.is_some_and(|key| key.is_in(said));
    if quotes {
        return None;
    }
    let line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
    (!line.is_empty()).then_some(line)
}

/// Whether a message has a text, or a good piece of it, in it.
fn quotes(said: &str, text: &str) -> bool {
    let (said, text) = (said.as_bytes(), text.as_bytes());
    let piece = text.len().clamp(1, QUOTED_BYTES);
    let pieces: HashSet<&[u8]> = said.windows(piece).collect();
    text.windows(piece).any(|piece| pieces.contains(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str, text: &str) -> Option<String> {
        of_error(body.as_bytes(), &[text.into()], Some(&ApiKey::new("sk-hunter2")))
    }

    #[test]
    fn the_message_is_found_where_servers_put_it() {
        for body in [
            r#"{"error":{"message":"too long","type":"invalid_request_error"}}"#,
            r#"{"error":"too\nlong"}"#,
            r#"{"message":"too long"}"#,
            r#"{"detail":" too long"}"#,
        ] {
            assert_eq!(said(body, "some text").as_deref(), Some("too long"), "{body}");
        }
        for body in ["", "too long", r#"{"detail":[{"msg":"too long","input":"some text"}]}"#, r#"{"error":" "}"#] {
            assert_eq!(said(body, "some text"), None, "{body}");
        }
    }

    #[test]
    fn a_message_that_quotes_a_text_or_the_key_is_kept_back() {
        let text = "a secret that somebody asked for, in confidence";
        let quoting = |piece: &str| said(&serde_json::json!({ "error": format!("bad: {piece}!") }).to_string(), text);
        assert_eq!(quoting(text), None);
        assert_eq!(quoting(&text[7..20]), None);
        assert_eq!(quoting("sk-hunter2"), None);
        assert_eq!(said(r#"{"error":"bad: ab"}"#, "ab"), None, "short texts count whole");
        assert_eq!(quoting("the input").as_deref(), Some("bad: the input!"));
    }

    #[test]
    fn a_long_message_is_cut() {
        let body = serde_json::json!({ "error": "ü".repeat(1_000) }).to_string();
        assert_eq!(said(&body, "some text").unwrap(), "ü".repeat(MAX_CHARS));
    }
}
