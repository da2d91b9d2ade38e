use super::bytes::{Reader, words};
use super::golden::Golden;
use super::parts::Parts;
use super::{
    CHECKSUM_BYTES, FORMAT_VERSION, MAGIC, MAX_BYTES, MAX_GOLDEN, MAX_MANIFEST_BYTES, Manifest, ModelError, NodeFault,
};
use crate::Feature;
use crate::schema::{schema_hash, short_hex};
use crate::serve::forest::{Forest, LeafStats, MAX_NODES, MAX_TREES, Node};
use crate::serve::model::Model;

impl Model {
    /// Reads and checks a model file.
    ///
    /// # Errors
    /// What is off, for any file that [`Model::encode`] of this version and this feature schema did not write.
    pub fn decode(file: &[u8]) -> Result<Self, ModelError> {
        if file.len() > MAX_BYTES {
            return Err(ModelError::TooLarge { bytes: file.len() });
        }
        let mut reader = Reader(file);
        if reader.array("header")? != MAGIC {
            return Err(ModelError::Magic);
        }
        let version = reader.u32("header")?;
        if version != FORMAT_VERSION {
            return Err(ModelError::Version { found: version });
        }
        let schema: [u8; 32] = reader.array("header")?;
        let (content, checksum) =
            file.split_last_chunk::<CHECKSUM_BYTES>().ok_or(ModelError::Truncated { part: "checksum" })?;
        let truncated = ModelError::Truncated { part: "checksum" };
        let body = reader.0.len().checked_sub(CHECKSUM_BYTES).ok_or(truncated)?;
        if blake3::hash(content) != *checksum {
            return Err(ModelError::Checksum);
        }
        // After the checksum, so that a damaged file does not look like one of another version.
        if schema != schema_hash() {
            return Err(ModelError::Schema { found: short_hex(&schema), expected: short_hex(&schema_hash()) });
        }
        let mut reader = Reader(&reader.0[..body]);
        let manifest = decode_manifest(&mut reader)?;
        manifest.check(Feature::ALL.len())?;
        let mut forests = Vec::with_capacity(manifest.plans.len());
        for plan in &manifest.plans {
            forests.push(decode_forest(&mut reader, &plan.name, Feature::ALL.len())?);
        }
        let duel = decode_forest(&mut reader, "duels", manifest.duel_inputs.len())?;
        let golden = decode_golden(&mut reader)?;
        if !reader.0.is_empty() {
            return Err(ModelError::Trailing { bytes: reader.0.len() });
        }
        Parts { manifest, forests, duel, golden }.check(*checksum)
    }
}

fn decode_manifest(reader: &mut Reader<'_>) -> Result<Manifest, ModelError> {
    let bytes = reader.u32("manifest")? as usize;
    if bytes > MAX_MANIFEST_BYTES {
        return Err(ModelError::TooMany { count: bytes, things: "bytes of manifest" });
    }
    let json = reader.take(bytes, "manifest")?;
    serde_json::from_slice(json).map_err(|error| ModelError::Manifest(error.to_string()))
}

/// A forest whose nodes test inputs below `width`, or none.
pub(crate) fn decode_forest(reader: &mut Reader<'_>, whose: &str, width: usize) -> Result<Option<Forest>, ModelError> {
    let fault = |fault| ModelError::Forest { whose: whose.to_owned(), fault };
    let trees = reader.u32("forests")? as usize;
    if trees == 0 {
        return Ok(None);
    }
    if trees > MAX_TREES {
        return Err(fault(NodeFault::Trees(trees)));
    }
    let count = reader.u32("forests")? as usize;
    if count > MAX_NODES {
        return Err(fault(NodeFault::Nodes(count)));
    }
    let roots = reader.items(trees, "forests")?.map(|root| u32::from_le_bytes(*root)).collect();
    let read_node = |bytes| {
        let (threshold, link) = words(bytes);
        Node { threshold: f32::from_bits(threshold), link }
    };
    let nodes: Vec<Node> = reader.items(count, "forests")?.map(read_node).collect();
    let leaves = nodes.iter().filter(|node| node.is_leaf()).count();
    let mut known = reader.items(leaves, "forests")?.map(|bytes| {
        let (variance, support) = words(bytes);
        LeafStats { variance: f32::from_bits(variance), support: f32::from_bits(support) }
    });
    let stats_of = |node: &Node| if node.is_leaf() { known.next() } else { None }.unwrap_or_default();
    let stats = nodes.iter().map(stats_of).collect();
    Forest::new(roots, nodes, stats, width).map(Some).map_err(fault)
}

fn decode_golden(reader: &mut Reader<'_>) -> Result<Vec<Golden>, ModelError> {
    let part = "golden vectors";
    let count = reader.u32(part)? as usize;
    if count > MAX_GOLDEN {
        return Err(ModelError::TooMany { count, things: part });
    }
    let mut golden = Vec::new();
    for _ in 0..count {
        let plan = reader.u32(part)? as usize;
        let features = reader.items(Feature::ALL.len(), part)?.map(|value| f32::from_le_bytes(*value)).collect();
        let (mean, sd, share) = (reader.f32(part)?, reader.f32(part)?, reader.f32(part)?);
        golden.push(Golden { plan, features, mean, sd, share });
    }
    Ok(golden)
}
