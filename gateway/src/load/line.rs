//! One node line, taken apart by what its fields are for.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::LoadPlan;

/// What a field of a node line is for; a field may be several things.
#[derive(Debug, Clone, Copy, Default)]
struct Role {
    id: bool,
    endpoint: bool,
    attribute: Option<u16>,
    vector: Option<VectorField>,
}

#[derive(Debug, Clone, Copy)]
enum VectorField {
    /// `"vector": […]`, the vector named `default`.
    Default,
    /// `"vectors": {"name": […]}`.
    Named,
}

/// What each field is for, by its name in the data.
pub(super) struct Roles(HashMap<String, Role>);

impl Roles {
    pub(super) fn of(plan: &LoadPlan) -> Self {
        let mut roles: HashMap<String, Role> = HashMap::new();
        for (index, attribute) in plan.schema.attributes.iter().enumerate() {
            roles.entry(attribute.name.to_string()).or_default().attribute = Some(index as u16);
        }
        for (from, to) in &plan.renames {
            roles.entry(from.clone()).or_default().attribute = plan.schema.attribute(to);
        }
        // An attribute that is called like this is meant; where there is none, it is the vector.
        for (name, field) in [("vector", VectorField::Default), ("vectors", VectorField::Named)] {
            roles.entry(name.into()).or_insert(Role { vector: Some(field), ..Role::default() });
        }
        for name in &plan.ignored_fields {
            roles.insert(name.clone(), Role::default());
        }
        roles.entry(plan.id_field.clone()).or_default().id = true;
        if let Some(field) = plan.separate_endpoint_field() {
            roles.entry(field.into()).or_default().endpoint = true;
        }
        Self(roles)
    }
}

/// One node line, taken apart.
#[derive(Debug, Default)]
pub(super) struct NodeLine {
    /// What the id field holds, `null` too.
    pub(super) id: Option<Value>,
    /// What the endpoint field holds, where it is another than the id's.
    pub(super) endpoint: Option<Value>,
    /// Attributes; `null` stands for a missing one.
    pub(super) attributes: Vec<(u16, Value)>,
    /// Vectors by name.
    pub(super) vectors: Vec<(String, Value)>,
    /// Fields that are nothing to the collection.
    pub(super) unknown: Vec<String>,
    /// Fields that came before, under the same or another name.
    pub(super) twice: Vec<String>,
}

impl NodeLine {
    /// Takes a line apart.
    ///
    /// # Errors
    /// The line is not one JSON object.
    pub(super) fn parse(line: &[u8], roles: &Roles) -> Result<Self, serde_json::Error> {
        let Fields(fields) = serde_json::from_slice(line)?;
        let mut parsed = Self::default();
        for (name, value) in fields {
            match roles.0.get(&name) {
                Some(role) => parsed.put(name, *role, value),
                None => parsed.unknown.push(name),
            }
        }
        Ok(parsed)
    }

    fn put(&mut self, name: String, role: Role, value: Value) {
        let attribute_again = role.attribute.is_some_and(|index| self.attributes.iter().any(|(i, _)| *i == index));
        if (role.id && self.id.is_some()) || (role.endpoint && self.endpoint.is_some()) || attribute_again {
            self.twice.push(name);
            return;
        }
        if let Some(index) = role.attribute {
            self.attributes.push((index, value.clone()));
        }
        if role.endpoint {
            self.endpoint = Some(value.clone());
        }
        if role.id {
            self.id = Some(value.clone());
        }
        match (role.vector, value) {
            (None, _) | (Some(VectorField::Named), Value::Null) => {}
            (Some(VectorField::Default), value) => self.vectors.push(("default".into(), value)),
            (Some(VectorField::Named), Value::Object(vectors)) => self.vectors.extend(vectors),
            (Some(VectorField::Named), other) => self.vectors.push((name, other)),
        }
    }
}

/// The fields of an object in their order, repeated ones too, which a map would swallow.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}
