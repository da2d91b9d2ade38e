//! `/openapi.json`: the endpoints and the types of their bodies. Answers are documented by the very types that are
//! serialised; what may be asked, by types that exist for it, since the query language has its own strict reader.

mod filter;
mod question;

use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, OpenApiVersion,
        PathItem, PathsBuilder, Ref, RefOr, Required,
        header::HeaderBuilder,
        path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        response::ResponseBuilder,
        schema::{ObjectBuilder, Schema, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use self::question::{BatchRequest, QueryRequest};
use super::collections::CollectionsBody;
use crate::request::{AnswerBody, BatchBody, ExplainBody, ProblemBody};

/// The document, as JSON.
pub fn document() -> String {
    build().to_pretty_json().expect("the document is plain data")
}

fn build() -> OpenApi {
    let mut schemas = Vec::new();
    schema_of::<QueryRequest>(&mut schemas);
    schema_of::<BatchRequest>(&mut schemas);
    schema_of::<AnswerBody>(&mut schemas);
    schema_of::<BatchBody>(&mut schemas);
    schema_of::<ExplainBody>(&mut schemas);
    schema_of::<CollectionsBody<'_>>(&mut schemas);
    schema_of::<ProblemBody>(&mut schemas);
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme("bearer", bearer).build();
    let info = InfoBuilder::new()
        .title("Forebay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Hybrid vector and graph queries over the collections that this gateway is configured for."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let paths = PathsBuilder::new()
        .path("/v1/query", ask(&query()))
        .path("/v1/query/batch", ask(&batch()))
        .path("/v1/explain", ask(&explain()))
        .path("/v1/collections", PathItem::new(HttpMethod::Get, collections()))
        .path("/openapi.json", PathItem::new(HttpMethod::Get, this_document()))
        .path("/errors/{code}", PathItem::new(HttpMethod::Get, error_page()));
    let mut document =
        OpenApiBuilder::new().info(info.build()).paths(paths.build()).components(Some(components)).build();
    // The first version that knows the method QUERY.
    document.openapi = OpenApiVersion::Version32;
    document
}

fn schema_of<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// The same question by `POST` and, being safe, by `QUERY` (RFC 10008).
fn ask(operation: &Operation) -> PathItem {
    let mut safe = operation.clone();
    safe.operation_id = operation.operation_id.as_ref().map(|id| format!("{id}ByQuery"));
    let mut item = PathItem::new(HttpMethod::Post, operation.clone());
    item.query = Some(safe);
    item
}

fn query() -> Operation {
    asking::<QueryRequest, AnswerBody>("query", "Answers one query.")
        .parameter(header_parameter(
            "If-None-Match",
            "Entity tags of answers that the caller has: `304` if one still holds.",
        ))
        .parameter(header_parameter("Priority", "RFC 9218: u=0–2 interactive, 3–4 normal, 5–7 batch."))
        .parameter(header_parameter("Cache-Control", "no-store, no-cache, only-if-cached, max-age (RFC 9111)."))
        .response("304", ResponseBuilder::new().description("The caller has this answer already."))
        .build()
}

fn batch() -> Operation {
    asking::<BatchRequest, BatchBody>("batch", "Answers several queries, each succeeding or failing alone.").build()
}

fn explain() -> Operation {
    asking::<QueryRequest, ExplainBody>("explain", "Plans a query and says why, without running it.").build()
}

fn collections() -> Operation {
    operation("collections", "The collections that the caller may ask.")
        .response("200", json_response::<CollectionsBody<'_>>("The collections."))
        .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
        .build()
}

fn this_document() -> Operation {
    let any = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Object))).build();
    let response = ResponseBuilder::new().description("This document.").content("application/json", any);
    operation("openapi", "This document.").response("200", response).build()
}

fn error_page() -> Operation {
    let code = ParameterBuilder::new()
        .name("code")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    let text = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
    let response = ResponseBuilder::new().description("What the code means.").content("text/markdown", text);
    operation("errorPage", "What an error code means and what to do about it.")
        .parameter(code)
        .response("200", response)
        .build()
}

/// An operation that asks with a body and needs to know who asks.
fn asking<Q: ToSchema, A: ToSchema>(id: &str, summary: &str) -> OperationBuilder {
    let mut answer = json_response::<A>("The answer.");
    for (name, description) in [
        ("Cache-Status", "What the cache did (RFC 9211)."),
        ("Age", "How old the answer is, in seconds; on a hit."),
        ("ETag", "The entity tag of the answer; none for what is never stored."),
        ("Server-Timing", "Time in each step of the query's life, in milliseconds."),
        ("Cache-Groups", "The data that the answer depends on (RFC 9875)."),
        ("Forebay-Request-Id", "Names the request in the log."),
    ] {
        let text = ObjectBuilder::new().schema_type(Type::String);
        answer = answer.header(name, HeaderBuilder::new().schema(Some(text)).description(Some(description)).build());
    }
    operation(id, summary)
        .request_body(Some(json_request::<Q>()))
        .response("200", answer)
        .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
}

fn operation(id: &str, summary: &str) -> OperationBuilder {
    let schema = Ref::from_schema_name(ProblemBody::name());
    let problem = ContentBuilder::new().schema(Some(schema)).build();
    let failed =
        ResponseBuilder::new().description("An error (RFC 9457).").content("application/problem+json", problem);
    OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).response("default", failed)
}

fn header_parameter(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn json_request<T: ToSchema>() -> RequestBody {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build();
    RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", content).build()
}

fn json_response<T: ToSchema>(description: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build();
    ResponseBuilder::new().description(description).content("application/json", content)
}
