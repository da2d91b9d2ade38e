use super::{FORMAT_VERSION, MAGIC, ModelError};
use crate::schema::schema_hash;
use crate::serve::forest::Forest;
use crate::serve::model::Model;

/// The file of a model, checksum included.
pub(super) fn encode(model: &Model) -> Result<Vec<u8>, ModelError> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC);
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend(schema_hash());
    let manifest = serde_json::to_vec(&model.manifest).map_err(|error| ModelError::Manifest(error.to_string()))?;
    put_count(manifest.len(), "bytes of manifest", &mut bytes)?;
    bytes.extend(manifest);
    let forests = model.plans.iter().map(|plan| plan.forest.as_ref());
    for forest in forests.chain([model.duel.as_ref().map(|duel| &duel.forest)]) {
        match forest {
            Some(forest) => encode_forest(forest, &mut bytes)?,
            None => put_count(0, "trees", &mut bytes)?,
        }
    }
    put_count(model.golden.len(), "golden vectors", &mut bytes)?;
    for golden in &model.golden {
        put_count(golden.plan, "plans", &mut bytes)?;
        let outputs = [golden.mean, golden.sd, golden.share];
        for value in golden.features.iter().copied().chain(outputs) {
            bytes.extend(value.to_le_bytes());
        }
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend(checksum.as_bytes());
    Ok(bytes)
}

impl Model {
    /// The file of this model: [`Model::decode`] gives the model back.
    ///
    /// # Errors
    /// When the manifest cannot be written as JSON.
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        encode(self)
    }
}

/// Trees, nodes, roots, nodes, and two numbers for each leaf.
pub(crate) fn encode_forest(forest: &Forest, bytes: &mut Vec<u8>) -> Result<(), ModelError> {
    put_count(forest.trees(), "trees", bytes)?;
    put_count(forest.nodes().len(), "nodes", bytes)?;
    for root in forest.roots() {
        bytes.extend(root.to_le_bytes());
    }
    for node in forest.nodes() {
        bytes.extend(node.threshold.to_le_bytes());
        bytes.extend(node.link.to_le_bytes());
    }
    for (_, stats) in forest.nodes().iter().zip(forest.stats()).filter(|(node, _)| node.is_leaf()) {
        bytes.extend(stats.variance.to_le_bytes());
        bytes.extend(stats.support.to_le_bytes());
    }
    Ok(())
}

fn put_count(count: usize, things: &'static str, bytes: &mut Vec<u8>) -> Result<(), ModelError> {
    let count = u32::try_from(count).map_err(|_| ModelError::TooMany { count, things })?;
    bytes.extend(count.to_le_bytes());
    Ok(())
}
