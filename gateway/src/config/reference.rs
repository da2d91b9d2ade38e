//! The reference of all keys in Markdown, made from the schema: `docs/configuration.md` holds it.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::json_schema;

/// One Markdown table a section, with the type, the default and the meaning of every key.
pub fn reference() -> String {
    let schema = json_schema().to_value();
    let mut page = Page { definitions: &schema["$defs"], text: String::new() };
    for (name, section) in schema["properties"].as_object().into_iter().flatten() {
        page.section(name, section, &|path| format!("[{path}]"));
    }
    page.text
}

struct Page<'a> {
    definitions: &'a Json,
    text: String,
}

impl<'a> Page<'a> {
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.definitions[name])
    }

    /// A section and, after it, the tables that it holds.
    fn section(&mut self, path: &str, schema: &'a Json, header: &dyn Fn(&str) -> String) {
        let about = schema["description"].as_str();
        let resolved = self.resolve(schema);
        let about = about.or(resolved["description"].as_str()).unwrap_or_default();
        if resolved["additionalProperties"].is_object() {
            return self.section(&format!("{path}.<name>"), &resolved["additionalProperties"], header);
        }
        if resolved["type"] == "array" {
            return self.section(path, &resolved["items"], &|path| format!("[[{path}]]"));
        }
        writeln!(self.text, "## `{}`\n\n{about}\n", header(path)).expect("writing to a string");
        match resolved["oneOf"].as_array() {
            None => self.keys(path, resolved),
            Some(kinds) => {
                for kind in kinds {
                    let about = flat(kind["description"].as_str().unwrap_or_default());
                    let name = kind["properties"]["kind"]["const"].as_str().unwrap_or_default();
                    writeln!(self.text, "With `kind = \"{name}\"`: {about}\n").expect("writing to a string");
                    self.keys(path, kind);
                }
            }
        }
    }

    fn keys(&mut self, path: &str, table: &'a Json) {
        let required: Vec<&str> = table["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let keys = table["properties"].as_object().into_iter().flatten();
        let (nested, plain): (Vec<_>, Vec<_>) = keys.partition(|(_, schema)| self.is_table(schema));
        if !plain.is_empty() {
            self.text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        }
        for (key, schema) in &plain {
            let default = match (schema.get("default"), required.contains(&key.as_str())) {
                (Some(default), _) => format!("`{default}`"),
                (None, true) => "required".into(),
                (None, false) => "none".into(),
            };
            let about = schema["description"].as_str().or(self.resolve(schema)["description"].as_str());
            let chooses = schema["const"].is_string().then_some("Chooses what is described here.");
            let about = flat(about.or(chooses).unwrap_or_default());
            writeln!(self.text, "| `{key}` | {} | {default} | {about} |", self.type_of(schema))
                .expect("writing to a string");
        }
        self.text.push_str(if plain.is_empty() { "" } else { "\n" });
        for (key, schema) in nested {
            self.section(&format!("{path}.{key}"), schema, &|path| format!("[{path}]"));
        }
    }

    fn is_table(&self, schema: &'a Json) -> bool {
        let resolved = self.resolve(schema);
        resolved["type"] == "object" || resolved["oneOf"][0]["type"] == "object"
    }

    fn type_of(&self, schema: &'a Json) -> String {
        let resolved = self.resolve(schema);
        if let Some(words) = resolved["oneOf"].as_array() {
            let words: Vec<String> = words.iter().map(|word| format!("`{}`", word["const"])).collect();
            return words.join(" ");
        }
        if let Some(word) = resolved["const"].as_str() {
            return format!("`\"{word}\"`");
        }
        let bounds = match (resolved["minimum"].as_i64(), resolved["maximum"].as_i64()) {
            (Some(low), Some(high)) => format!(" {low} to {high}"),
            (Some(low), None) => format!(" ≥ {low}"),
            _ => String::new(),
        };
        match resolved["type"].as_str().unwrap_or_default() {
            "array" => format!("array of {}s", self.type_of(&resolved["items"])),
            "string" if resolved["format"] == "socket-address" => "address:port".into(),
            other => format!("{other}{bounds}"),
        }
    }
}

/// One line, fit for a table cell.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
