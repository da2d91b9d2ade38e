//! The schema of filters, which refer to themselves.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type},
    },
};

/// A predicate: conditions by attribute, all of which must hold, and `$and`, `$or`, `$not` around further predicates.
pub(super) struct Filter;

/// What an attribute is compared with: a value, which means `$eq`, or an object of operators, all of which must hold.
pub(super) struct Condition;

impl ToSchema for Filter {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Condition::name().into_owned(), Condition::schema()));
    }
}

impl PartialSchema for Filter {
    fn schema() -> RefOr<Schema> {
        let this = || Ref::from_schema_name(Filter::name());
        ObjectBuilder::new()
            .description(Some(
                "Conditions by attribute (or `id`), all of which must hold, and `$and`, `$or`, `$not` around further filters.",
            ))
            .property("$and", ArrayBuilder::new().items(this()))
            .property("$or", ArrayBuilder::new().items(this()))
            .property("$not", this())
            .additional_properties(Some(Ref::from_schema_name(Condition::name())))
            .into()
    }
}

impl ToSchema for Condition {}
impl PartialSchema for Condition {
    fn schema() -> RefOr<Schema> {
        let value = || {
            ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Number, Type::Boolean])).build()
        };
        let values = || ArrayBuilder::new().items(value());
        let operators = ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"]
            .into_iter()
            .fold(ObjectBuilder::new(), |object, operator| object.property(operator, value()));
        let operators = ["$in", "$nin", "$all", "$any"]
            .into_iter()
            .fold(operators, |object, operator| object.property(operator, values()))
            .property("$exists", ObjectBuilder::new().schema_type(Type::Boolean))
            .property("$not", Ref::from_schema_name(Condition::name()))
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::<Schema>::FreeForm(false)));
        AnyOfBuilder::new()
            .description(Some("A value, which means `$eq`, or an object of operators, all of which must hold."))
            .item(value())
            .item(operators)
            .into()
    }
}
