//! The `OpenAPI` document: made from the table of routes, and the schemas of the answers, which are generated from their types.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header;
use serde_json::{Map, Value, json};

use super::answers::BASE;
use super::api::{ROUTES, Route};
use super::app::App;

/// The schemas of the answers; a test compares them with the types.
const SCHEMAS: &str = include_str!("assets/schemas.json");

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route(&format!("{BASE}/openapi.json"), get(|| async { openapi() }))
}

/// Answers with the document.
fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document().to_string()).into_response()
}

fn document() -> Value {
    let mut schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let text = |what: &str| json!({"type": "string", "description": what});
    schemas.insert(
        "Error".to_owned(),
        json!({"type": "object", "properties": {"error": {"type": "object", "properties": {
            "kind": text("usage, not_found, conflict, server_down, system, …"), "message": text("What failed and why"),
            "hints": {"type": "array", "items": text("What to try")},
        }}}}),
    );
    let mut paths: Map<String, Value> = Map::new();
    for route in &ROUTES {
        let path = paths.entry(format!("{BASE}{}", route.path)).or_insert_with(|| json!({}));
        path[route.method] = operation(route);
    }
    paths.insert(
        format!("{BASE}/events"),
        json!({"get": {"summary": "Stream events as server-sent events, and `change` when anything else has changed",
            "parameters": [{"name": "after", "in": "query", "description": "Only events after this id", "schema": {"type": "string"}}],
            "responses": {"200": {"description": "The stream", "content": {"text/event-stream": {}}}}}}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {"title": "tempo", "version": "1",
            "description": "The API of a running `tempo run`. Requests need the session cookie or `Authorization: Bearer TOKEN`."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    })
}

fn operation(route: &Route) -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}View")});
    let answer = match route.answer.strip_prefix("[]") {
        Some(name) => json!({"type": "array", "items": reference(name)}),
        None => reference(route.answer),
    };
    let in_query = route
        .query
        .iter()
        .map(|(name, what)| json!({"name": name, "in": "query", "description": what, "schema": {"type": "string"}}));
    let in_path = route
        .path
        .contains("{id}")
        .then(|| json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}));
    let mut operation = json!({
        "summary": route.summary,
        "parameters": in_path.into_iter().chain(in_query).collect::<Vec<_>>(),
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": answer}}},
            "default": {"description": "An error", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
        },
    });
    if !route.body.is_empty() {
        // Codes and milliseconds are numbers, as in the answers.
        let kind = |name: &str| {
            if name.ends_with("_code") || name.ends_with("_ms") {
                "integer"
            } else {
                "string"
            }
        };
        let field = |(name, what): &(&str, &str)| ((*name).to_owned(), json!({"type": kind(name), "description": what}));
        let fields: Map<String, Value> = route.body.iter().map(field).collect();
        let schema = json!({"type": "object", "properties": fields, "additionalProperties": false});
        operation["requestBody"] = json!({"content": {"application/json": {"schema": schema}}});
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{run_views, views};

    fn generated() -> Value {
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct All {
            status: views::StatusView,
            schedule: views::ScheduleView,
            beat: views::BeatView,
            deleted: views::DeletedView,
            definition: views::DefinitionView,
            change: views::ChangeView,
            simulated: views::SimulatedView,
            request: views::RequestView,
            next: views::NextView,
            range: views::TimeRangeView,
            run: run_views::RunView,
            incident: views::IncidentView,
            event: views::EventView,
        }
        let settings =
            schemars::generate::SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
        let mut all = settings.into_generator().into_root_schema_for::<All>().to_value();
        all.pointer_mut("/components/schemas").map(Value::take).unwrap_or_default()
    }

    #[test]
    fn the_schemas_of_the_api_match_the_types_and_the_document_uses_only_them() {
        let generated = serde_json::to_string_pretty(&generated()).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/assets/schemas.json");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &generated).unwrap();
            return;
        }
        assert!(generated == SCHEMAS, "stale: run `BLESS=1 cargo test --lib the_schema`");
        let document = document();
        for reference in document.to_string().split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is not defined");
        }
    }
}
