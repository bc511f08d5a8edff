//! `GET /users/{id or principal name}` and its manager (graph-facts §2.5, §2.6).

use super::answer::Answer;
use super::error::GraphError;
use super::front::Call;
use crate::held::read;
use crate::json::Json;

/// One user.
pub fn get(call: &Call<'_>, key: &str) -> Result<Answer, GraphError> {
    let selection = call.query.selection()?;
    selection.check_licence()?;
    if call.basic_only() && !selection.basic() {
        return Err(GraphError::denied());
    }
    let manager = call.query.expand()?;
    let directory = read(&call.tenant.directory);
    let slot = directory.find(key).ok_or_else(|| GraphError::not_found(key))?;
    let context = format!("users{}/$entity", selection.context(manager.as_deref()));
    let mut row = Json::default();
    directory
        .row(slot)
        .list(&selection.plain(), manager.as_deref(), &mut row);
    Ok(Answer::json(entity(call, &context, None, &row)))
}

/// The manager of one user.
pub fn manager(call: &Call<'_>, key: &str) -> Result<Answer, GraphError> {
    let selection = call.query.selection()?;
    selection.check_licence()?;
    let directory = read(&call.tenant.directory);
    let slot = directory.find(key).ok_or_else(|| GraphError::not_found(key))?;
    let manager = directory
        .manager(slot)
        .ok_or_else(|| GraphError::not_found("manager"))?;
    let context = format!("directoryObjects{}/$entity", selection.context(None));
    let mut row = Json::default();
    directory.row(manager).list(&selection.plain(), None, &mut row);
    Ok(Answer::json(entity(
        call,
        &context,
        Some("#microsoft.graph.user"),
        &row,
    )))
}

/// A row with its annotations in front.
fn entity(call: &Call<'_>, context: &str, kind: Option<&str>, row: &Json) -> Vec<u8> {
    let mut json = Json::default();
    json.raw("{\"@odata.context\":");
    json.string(&format!("{}/v1.0/$metadata#{context}", call.base));
    if let Some(kind) = kind {
        json.raw(",\"@odata.type\":");
        json.string(kind);
    }
    if row.0 != b"{}" {
        json.raw(",");
    }
    json.0.extend_from_slice(&row.0[1..]);
    json.0
}
