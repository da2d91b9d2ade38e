//! Whether an answer is one that the reference allows, up to what may differ between two stores: scores by 1e-6, and the
//! order of entities whose scores differ by less.

use serde_json::{Value, json};

/// Scores that are so close may change places from one store to another.
const CLOSE: f64 = 1e-6;

/// Whether `items` are places `offset..offset + limit` of `all`, the whole answer of the reference in order. `cut` is the
/// query's `score_threshold`.
pub(super) fn agrees(
    all: &[Value],
    items: &[Value],
    offset: usize,
    limit: usize,
    cut: Option<f64>,
) -> Result<(), String> {
    let score = |item: &Value| item["score"].as_f64().unwrap_or(0.0);
    // Entities at the threshold itself may be on either side of it.
    let sure = all.iter().filter(|item| cut.is_none_or(|cut| score(item) >= cut + CLOSE)).count();
    let most = all.iter().filter(|item| cut.is_none_or(|cut| score(item) >= cut - CLOSE)).count();
    let page = |total: usize| total.saturating_sub(offset).min(limit);
    if !(page(sure)..=page(most)).contains(&items.len()) {
        return Err(format!("{} items, expected {}..={}", items.len(), page(sure), page(most)));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (place, item) in items.iter().enumerate() {
        let id = item["id"].as_str().ok_or("an item has no id")?;
        if !seen.insert(id) {
            return Err(format!("{id} comes twice"));
        }
        let Some(expected) = all.iter().find(|expected| expected["id"] == item["id"]) else {
            return Err(format!("{id} does not satisfy the query"));
        };
        if (score(expected) - score(item)).abs() > CLOSE {
            return Err(format!("{id} has the score {}, expected {}", score(item), score(expected)));
        }
        let there = &all[offset + place];
        if (score(there) - score(item)).abs() > 2.0 * CLOSE {
            return Err(format!("{id} stands where {} belongs", there["id"]));
        }
        if without_scores(expected) != without_scores(item) {
            return Err(format!("{id} comes with {item}, expected {expected}"));
        }
    }
    Ok(())
}

/// What does not depend on a store's arithmetic.
fn without_scores(item: &Value) -> Value {
    let mut item = item.clone();
    item["score"] = json!(null);
    item["scores"] = json!(null);
    item
}

#[test]
fn an_answer_that_differs_in_more_than_rounding_is_refused() {
    let item = |id: &str, score: f64| json!({ "id": id, "score": score });
    let all = [item("a", 0.9), item("b", 0.5), item("c", 0.5 - 1e-9), item("d", 0.1)];
    let check = |items: &[Value], limit| agrees(&all, items, 0, limit, None);
    assert!(check(&[item("a", 0.9 + 1e-8), item("c", 0.5)], 2).is_ok(), "b and c tie");
    assert!(check(&[item("a", 0.9)], 2).is_err(), "too few");
    assert!(check(&[item("a", 0.9), item("d", 0.1)], 2).is_err(), "b or c is missing");
    assert!(check(&[item("a", 0.9), item("a", 0.9)], 2).is_err(), "twice");
    assert!(check(&[item("a", 0.8), item("b", 0.5)], 2).is_err(), "wrong score");
    assert!(check(&[item("x", 0.9), item("b", 0.5)], 2).is_err(), "not in the answer");
    assert!(agrees(&all, &[item("b", 0.5)], 1, 2, Some(0.5)).is_ok(), "c is at the threshold");
    assert!(agrees(&all, &[item("c", 0.5)], 1, 1, Some(0.2)).is_ok());
}
