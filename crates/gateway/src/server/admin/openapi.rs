//! `/api/v1/openapi.json`: the API described for programs, OpenAPI 3.1, made from the table of pages and from the very
//! types that are answered with. Nothing of it is written by hand a second time, so it cannot go stale.

use std::sync::LazyLock;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::failures::FILTERS;
use super::reply::Failed;
use super::routes::{Access, Page, ROUTES, Route, Verb};
use super::{failures, groups, incidents, live, summary, upstreams};
use crate::escalation::Report;
use crate::observe::{alert, feed, journal, status_page};

/// The whole document, made once.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// What a page answers with.
enum Gives {
    /// Lines for people.
    Text,
    /// JSON of this form.
    Json(Schema),
    /// Events, each with JSON of its own form.
    Events(Value),
}

/// An object whose form is not described here.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Anything(Map<String, Value>);

fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.contract = Contract::Serialize;
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let failed = schemas.subschema_for::<Failed>();
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/api/")) {
        let method = match route.verb {
            Verb::Read => "get",
            Verb::Change => "post",
        };
        let operation = operation(route, gives(route.page, &mut schemas), &failed);
        let place = paths.entry(route.path).or_insert_with(|| json!({}));
        place[method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Seawall, admin side",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a gateway knows, as JSON. Keys may be added; those that are there stay. Made by the program itself.",
        },
        "servers": [{ "url": "http://127.0.0.1:7501" }],
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "`server.admin_token`, where one is set." } },
            "schemas": schemas.take_definitions(true),
        },
    })
}

fn operation(route: &Route, gives: Gives, failed: &Schema) -> Value {
    let content = match gives {
        Gives::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Gives::Json(schema) => json!({ "application/json": { "schema": schema } }),
        Gives::Events(events) => json!({ "text/event-stream": { "schema": { "type": "string" }, "x-events": events } }),
    };
    let error = |says: &str| json!({ "description": says, "content": { "application/json": { "schema": failed } } });
    let mut responses = json!({ "200": { "description": route.says, "content": content } });
    if route.access == Access::Operator {
        responses["401"] = error("The admin token is wanted.");
        responses["403"] = error("The request names another host, or comes from a page of another site.");
    }
    if matches!(route.page, Page::Failures | Page::Groups) {
        responses["400"] = error("A parameter is not understood: `parameter` says which.");
    }
    if route.path.contains("{id}") {
        responses["404"] = error("There is nothing of this id.");
    }
    if matches!(
        route.page,
        Page::Failures | Page::Groups | Page::Request | Page::Incidents | Page::Incident | Page::Report | Page::Listen
    ) {
        responses["503"] = error("The journal cannot be read now, or too many listen.");
    }
    if matches!(route.page, Page::Report) {
        responses["400"] = error("`format` is neither json nor md.");
        responses["200"]["content"]["text/markdown"] = json!({ "schema": { "type": "string" } });
    }
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    let query = |(name, says): &(&str, &str)| json!({ "name": name, "in": "query", "description": says, "schema": { "type": "string" } });
    let mut parameters: Vec<Value> = route.path.contains("{id}").then_some(id).into_iter().collect();
    let own: &[(&str, &str)] = match route.page {
        Page::Failures => &failures::PARAMETERS,
        Page::Groups => &groups::PARAMETERS,
        _ => &[],
    };
    if !own.is_empty() {
        parameters.extend(FILTERS.iter().chain(own).map(query));
    }
    if matches!(route.page, Page::Report) {
        parameters.push(query(&("format", "json (default) or md")));
    }
    let name = route.path.trim_start_matches("/api/v1/").replace(['/', '.'], "_").replace(['{', '}'], "");
    json!({ "operationId": name, "summary": route.says, "parameters": parameters, "responses": responses })
}

fn gives(page: Page, schemas: &mut SchemaGenerator) -> Gives {
    match page {
        Page::Live | Page::Ready | Page::Index | Page::Metrics => Gives::Text,
        Page::Summary => Gives::Json(schemas.subschema_for::<summary::Summary>()),
        Page::Upstreams => Gives::Json(schemas.subschema_for::<upstreams::Upstreams>()),
        Page::Failures => Gives::Json(schemas.subschema_for::<failures::Failures>()),
        Page::Groups => Gives::Json(schemas.subschema_for::<journal::groups::Groups>()),
        Page::Request => Gives::Json(schemas.subschema_for::<failures::Requests>()),
        Page::Status => Gives::Json(schemas.subschema_for::<status_page::telling::All>()),
        Page::Incidents => Gives::Json(schemas.subschema_for::<incidents::List>()),
        Page::Incident => Gives::Json(schemas.subschema_for::<journal::incidents::Whole>()),
        Page::Report => Gives::Json(schemas.subschema_for::<Report>()),
        Page::Acknowledge => Gives::Json(schemas.subschema_for::<incidents::Acknowledged>()),
        Page::Alerts => Gives::Json(schemas.subschema_for::<alert::States>()),
        Page::OpenApi => Gives::Json(schemas.subschema_for::<Anything>()),
        Page::Listen => Gives::Events(json!({
            "summary": schemas.subschema_for::<summary::Summary>(),
            "incident": schemas.subschema_for::<feed::IncidentTold>(),
            "failure": schemas.subschema_for::<journal::row::AttemptRow>(),
            "lag": schemas.subschema_for::<live::Lag>(),
        })),
    }
}
