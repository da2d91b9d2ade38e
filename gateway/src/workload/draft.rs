//! One query in the making, and what can follow from it.

use rand::RngExt;
use roaring::RoaringBitmap;
use serde_json::{Map, Value, json};

use super::{
    class::{Correlation, Drill, Origin, QueryClass, Shape},
    clause::Clause,
    filters::Wanted,
    random::{Source, log_uniform, weighted},
    survey::Survey,
    vectors::DrawnVector,
};

/// The least share of entities that a filter is drawn for.
const LEAST_SELECTIVITY: f64 = 1e-4;
/// The largest `limit` drawn.
const LARGEST_LIMIT: f64 = 100.0;

/// A query whose clauses are still apart.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) class: QueryClass,
    vector: Option<Map<String, Value>>,
    filter: Option<Clause>,
    within: Option<Map<String, Value>>,
    rest: Map<String, Value>,
    limit: u32,
    offset: u32,
}

impl Draft {
    /// A new query. `None` where the data has nothing to ask for.
    pub(super) fn draw(survey: &Survey<'_>, random: &mut Source) -> Option<Self> {
        let shape = shape(survey, random);
        let ranked = matches!(
            shape,
            Shape::Vector | Shape::VectorFilter | Shape::VectorGraph | Shape::VectorFilterGraph | Shape::Seeds
        );
        let vector = if ranked { Some(survey.vector(random)?) } else { None };
        let correlation = match vector {
            None => Correlation::None,
            Some(_) if shape == Shape::Vector => Correlation::None,
            Some(_) => {
                weighted(random, &[(Correlation::For, 0.35), (Correlation::Against, 0.25), (Correlation::None, 0.40)])
            }
        };
        let limit =
            (log_uniform(random, 1.0, LARGEST_LIMIT).round() as u32).clamp(1, survey.schema.limits.max_limit.max(1));
        let mut draft = Self {
            class: QueryClass {
                shape,
                origin: Origin::Fresh,
                source: vector.as_ref().map(|vector| vector.source),
                correlation,
                selectivity: None,
                lift: None,
                anchor: None,
                degree: None,
                reach: None,
                hops: None,
                direction: None,
                form: None,
                edges: None,
                limit,
            },
            vector: None,
            filter: None,
            within: None,
            rest: Map::new(),
            limit,
            offset: 0,
        };
        let mut reach = None;
        match shape {
            Shape::VectorGraph | Shape::VectorFilterGraph | Shape::FilterGraph => {
                reach = Some(draft.draw_within(survey, random, vector.as_ref())?);
            }
            Shape::Seeds => draft.draw_seeds(survey, random, vector.as_ref()?)?,
            Shape::Vector | Shape::VectorFilter | Shape::Filter => {}
        }
        if matches!(shape, Shape::VectorFilter | Shape::VectorFilterGraph | Shape::FilterGraph | Shape::Filter) {
            draft.draw_filter(survey, random, vector.as_ref(), reach.as_ref())?;
        }
        draft.draw_rest(survey, random, vector.as_ref());
        // Seeds may be all that the vector is for, or rank the answer too.
        if shape != Shape::Seeds || random.random_bool(0.5) {
            draft.vector = vector.map(|vector| vector.json);
        }
        Some(draft)
    }

    /// The body to send.
    pub(super) fn body(&self, collection: &str) -> Value {
        let mut body = self.rest.clone();
        body.insert("collection".into(), collection.into());
        body.insert("limit".into(), self.limit.into());
        if self.offset > 0 {
            body.insert("offset".into(), self.offset.into());
        }
        let filter = self.filter.as_ref().map(|clause| &clause.json);
        for (name, clause) in [("vector", self.vector.as_ref()), ("filter", filter), ("within", self.within.as_ref())] {
            if let Some(clause) = clause {
                body.insert(name.into(), clause.clone().into());
            }
        }
        Value::Object(body)
    }

    /// A query that follows from this one. `None` where this step leads nowhere.
    pub(super) fn drill(&self, survey: &Survey<'_>, random: &mut Source, of: u64) -> Option<Self> {
        let by =
            weighted(random, &[(Drill::StricterFilter, 0.45), (Drill::NextPage, 0.35), (Drill::AnotherLimit, 0.20)]);
        let mut next = self.clone();
        next.class.origin = Origin::DrillDown { of, by };
        match by {
            Drill::StricterFilter => {
                let before = self.filter.as_ref().map_or(&survey.entities, |clause| &clause.rows);
                let more = survey.narrower(random, before)?;
                let clause = match &self.filter {
                    Some(clause) => clause.clone().and(more),
                    None => more,
                };
                next.offset = 0;
                next.class.lift = None;
                next.set_filter(survey, clause);
            }
            Drill::NextPage => {
                next.offset = self.offset + self.limit;
                if next.offset > survey.schema.limits.max_offset {
                    return None;
                }
            }
            Drill::AnotherLimit => {
                let most = LARGEST_LIMIT.min(f64::from(survey.schema.limits.max_limit));
                next.limit = (log_uniform(random, 1.0, most).round() as u32).max(1);
                next.class.limit = next.limit;
                if next.limit == self.limit {
                    return None;
                }
            }
        }
        Some(next)
    }

    fn set_filter(&mut self, survey: &Survey<'_>, clause: Clause) {
        self.class.selectivity = Some(clause.rows.len() as f64 / survey.entities.len() as f64);
        self.class.form = Some(clause.form.as_str().into());
        self.filter = Some(clause);
    }

    fn draw_within(
        &mut self,
        survey: &Survey<'_>,
        random: &mut Source,
        vector: Option<&DrawnVector>,
    ) -> Option<RoaringBitmap> {
        let walk = survey.walk(random, u8::MAX)?;
        let anchors = survey.anchors(random, &walk, self.focus(vector))?;
        let mut within = walk.json(survey);
        within.insert("from".into(), survey.spell_anchors(&anchors.rows));
        if random.random_bool(0.1) {
            within.insert("include_anchors".into(), true.into());
        }
        self.class.anchor = Some(anchors.class);
        self.class.degree = Some(anchors.degree);
        self.class.reach = Some(anchors.reach.len());
        self.class.hops = Some(walk.hops);
        self.class.direction = Some(walk.direction);
        self.class.edges = Some(walk.label(survey).into());
        self.within = Some(within);
        Some(anchors.reach)
    }

    fn draw_seeds(&mut self, survey: &Survey<'_>, random: &mut Source, vector: &DrawnVector) -> Option<()> {
        let walk = survey.walk(random, 2)?;
        let most = survey.schema.limits.max_anchors.clamp(1, 20);
        let mut from = json!({ "vector": vector.json, "top": random.random_range(1..=most) });
        if random.random_bool(0.4) {
            let all: Vec<u32> = survey.entities.iter().collect();
            let wanted = Wanted {
                // Seeds under a filter that passes next to nothing would be all of it.
                selectivity: log_uniform(random, 1e-2, 1.0),
                around: if vector.near.is_empty() { &all } else { &vector.near },
                correlation: Correlation::None,
                near: &RoaringBitmap::new(),
            };
            from["filter"] = survey.filter(random, &wanted)?.json.into();
        }
        let mut within = walk.json(survey);
        within.insert("from".into(), from);
        self.class.hops = Some(walk.hops);
        self.class.direction = Some(walk.direction);
        self.class.edges = Some(walk.label(survey).into());
        self.within = Some(within);
        Some(())
    }

    fn draw_filter(
        &mut self,
        survey: &Survey<'_>,
        random: &mut Source,
        vector: Option<&DrawnVector>,
        reach: Option<&RoaringBitmap>,
    ) -> Option<()> {
        let near = vector.map(DrawnVector::near_set).unwrap_or_default();
        let mut around = self.focus(vector).to_vec();
        if around.is_empty() {
            around = survey.entities.iter().collect();
        }
        // Half of the filters beside a walk let something through that the walk reaches; the others leave it to chance.
        if let Some(reach) = reach.filter(|reach| !reach.is_empty())
            && random.random_bool(0.5)
        {
            let both: Vec<u32> = around.iter().copied().filter(|row| reach.contains(*row)).collect();
            around = if both.is_empty() { reach.iter().collect() } else { both };
        }
        let wanted = Wanted {
            selectivity: log_uniform(random, LEAST_SELECTIVITY, 1.0),
            around: &around,
            correlation: self.class.correlation,
            near: &near,
        };
        let clause = survey.filter(random, &wanted)?;
        self.class.lift = (!near.is_empty()).then(|| survey.lift(&clause, &near));
        self.set_filter(survey, clause);
        Some(())
    }

    /// What neither decides who answers nor in which order, and a threshold now and then.
    fn draw_rest(&mut self, survey: &Survey<'_>, random: &mut Source, vector: Option<&DrawnVector>) {
        let names: Vec<&str> =
            survey.schema.attributes.iter().map(|a| &*a.name).filter(|_| random.random_bool(0.25)).collect();
        if !names.is_empty() {
            self.rest.insert("select".into(), names.into());
        }
        if self.class.shape != Shape::Seeds
            && let Some(vector) = vector.filter(|_| random.random_bool(0.05))
        {
            self.rest.insert("score_threshold".into(), json!(vector.near_score));
        }
        if survey.has_edges()
            && random.random_bool(0.08)
            && let Some(walk) = survey.walk(random, 2)
        {
            let mut expand = walk.json(survey);
            let per_item = random.random_range(1..=survey.schema.limits.max_per_item.clamp(1, 10));
            expand.insert("per_item".into(), per_item.into());
            self.rest.insert("expand".into(), expand.into());
        }
        if self.within.is_some() && random.random_bool(0.05) {
            self.rest.insert("include".into(), json!({ "paths": true }));
        }
    }

    /// The entities around which filter and graph are drawn; none in particular without correlation.
    fn focus<'v>(&self, vector: Option<&'v DrawnVector>) -> &'v [u32] {
        match (self.class.correlation, vector) {
            (Correlation::For, Some(vector)) => &vector.near,
            (Correlation::Against, Some(vector)) => &vector.far,
            _ => &[],
        }
    }
}

/// One of the shapes that the data allows.
fn shape(survey: &Survey<'_>, random: &mut Source) -> Shape {
    let has_vectors = survey.ranked.iter().any(|rows| !rows.is_empty());
    let has_graph = survey.has_edges();
    let weight = |shape| match shape {
        Shape::Vector if has_vectors => 0.08,
        Shape::VectorFilter if has_vectors => 0.25,
        Shape::VectorGraph if has_vectors && has_graph => 0.18,
        Shape::VectorFilterGraph if has_vectors && has_graph => 0.28,
        Shape::FilterGraph if has_graph => 0.08,
        Shape::Filter => 0.06,
        Shape::Seeds if has_vectors && has_graph => 0.07,
        _ => 0.0,
    };
    weighted(random, &Shape::ALL.iter().map(|shape| (*shape, weight(*shape))).collect::<Vec<_>>())
}
