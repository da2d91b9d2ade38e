//! The shape of a query in words: what is left when values, ids, texts and vectors are taken away. Queries of one template
//! come from one place in somebody's code, and plans do alike on them.

use std::fmt::Write as _;

use super::{Anchors, Field, Filter, Query, VectorClause, VectorInput, VectorTerm, Walk};
use crate::catalog::CollectionSchema;

/// Longer ones end in a digest of the whole.
const LONGEST: usize = 240;

/// The template, for instance `title:values where and(count $lt, kind in) within nodes cites out 2`.
pub(super) fn template(query: &Query, schema: &CollectionSchema) -> String {
    let mut parts = Vec::with_capacity(4);
    if let Some(clause) = &query.vector {
        parts.push(vector(clause, schema));
    }
    if query.filter != Filter::Everything {
        parts.push(format!("where {}", filter(&query.filter, schema)));
    }
    if let Some(within) = &query.within {
        let from = match &within.from {
            Anchors::Nodes(nodes) if nodes.len() == 1 => "node".to_owned(),
            Anchors::Nodes(_) => "nodes".to_owned(),
            Anchors::Nearest { vector: clause, filter: inner, .. } => {
                let whose = if *inner == Filter::Everything { String::new() } else { filter(inner, schema) };
                format!("nearest({}, {whose})", vector(clause, schema))
            }
        };
        parts.push(format!("within {from} {}", walk(&within.walk, schema)));
    }
    if let Some(expand) = &query.expand {
        parts.push(format!("expand {}", walk(&expand.walk, schema)));
    }
    parts.extend(query.score_threshold.map(|_| "above a score".to_owned()));
    parts.extend((query.offset > 0).then(|| "later page".to_owned()));
    parts.extend(query.exact.then(|| "exact".to_owned()));
    shortened(if parts.is_empty() { "all".to_owned() } else { parts.join(" ") })
}

fn shortened(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let digest = blake3::hash(text.as_bytes()).to_hex();
    let mut end = LONGEST - 20;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… {}", &text[..end], &digest[..16])
}

fn vector(clause: &VectorClause, schema: &CollectionSchema) -> String {
    let space = schema.vectors.get(usize::from(clause.space)).map_or("", |space| &space.name);
    let term = |term: &VectorTerm| match term {
        VectorTerm::Values(_) => "values",
        VectorTerm::Like(_) => "like",
        VectorTerm::Text(_) => "text",
    };
    match &clause.input {
        VectorInput::Single(single) => format!("{space}:{}", term(single)),
        VectorInput::Combine(terms) => {
            format!("{space}:combine({})", distinct(terms.iter().map(|(each, _)| term(each).to_owned())))
        }
    }
}

/// Sorted, each once: a list of ten values is no other template than one of nine.
fn distinct(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.sort_unstable();
    parts.dedup();
    parts.join(", ")
}

fn filter(filter: &Filter, schema: &CollectionSchema) -> String {
    let name = |field: &Field| match field {
        Field::Id => "id",
        Field::Attribute(index) => schema.attributes.get(usize::from(*index)).map_or("", |found| &found.name),
    };
    let all = |parts: &[Filter]| distinct(parts.iter().map(|part| self::filter(part, schema)));
    match filter {
        Filter::Everything => "everything".into(),
        Filter::Nothing => "nothing".into(),
        Filter::In(field, values) => format!("{} {}", name(field), if values.len() == 1 { "is" } else { "in" }),
        Filter::Compare(field, comparison, _) => format!("{} {}", name(field), comparison.as_str()),
        Filter::Exists(field) => format!("{} exists", name(field)),
        Filter::Not(inner) => format!("not({})", self::filter(inner, schema)),
        Filter::And(parts) => format!("and({})", all(parts)),
        Filter::Or(parts) => format!("or({})", all(parts)),
    }
}

fn walk(walk: &Walk, schema: &CollectionSchema) -> String {
    let mut text = String::new();
    if let Some(graph) = &schema.graph {
        let names = walk.edges.iter().filter_map(|&edge| graph.edges.get(usize::from(edge)));
        text = names.map(AsRef::as_ref).collect::<Vec<&str>>().join("|");
    }
    let _ = write!(text, " {} {}", walk.direction.as_str(), walk.hops);
    text
}

#[cfg(test)]
mod tests {
    use crate::query::testing::{packages, understand};

    fn template(body: &str) -> String {
        let schema = packages();
        let parsed = understand(body.as_bytes(), &schema).unwrap_or_else(|error| panic!("{error:?} in {body}"));
        parsed.query.template(&schema)
    }

    #[test]
    fn values_do_not_change_a_template_and_the_shape_does() {
        let body = |like: &str, hops: u32, filter: &str| {
            template(&format!(
                r#"{{"collection":"packages","vector":{{"like":"{like}"}},"filter":{filter},
                    "within":{{"from":["{like}"],"edges":["depends"],"direction":"out","hops":{hops}}}}}"#
            ))
        };
        let first = body("gimp", 2, r#"{"section":"graphics"}"#);
        assert_eq!(first, body("vlc", 2, r#"{"section":"video"}"#));
        for secret in ["gimp", "graphics"] {
            assert!(!first.contains(secret), "{first}");
        }
        assert_ne!(first, body("gimp", 3, r#"{"section":"graphics"}"#));
        assert_ne!(first, body("gimp", 2, r#"{"section":{"$ne":"graphics"}}"#));
    }

    #[test]
    fn a_long_shape_ends_in_a_digest_and_stays_distinct() {
        let body = |last: &str| {
            let mut filter = format!(r#"{{"section":{{"{last}":"x"}}}}"#);
            for _ in 0..12 {
                filter = format!(
                    r#"{{"$or":[{{"$and":[{filter},{{"priority":"optional"}}]}},{{"section":{{"$gt":"a"}}}}]}}"#
                );
            }
            template(&format!(r#"{{"collection":"packages","filter":{filter}}}"#))
        };
        let (a, b) = (body("$lt"), body("$lte"));
        assert!(a.len() <= super::LONGEST && a != b, "{a}\n{b}");
    }
}
