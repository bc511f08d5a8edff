//! `run changes --csv`.

use contracts::v1;
use domain::csv_cell;

use crate::api::Api;
use crate::failure::Failure;
use crate::output::print;
use crate::words;

/// What a page holds: so many are in memory at a time.
const PAGE: i32 = 500;

/// Prints everything that is asked for, page by page.
pub async fn print_all(api: &Api, mut asked: v1::ListChangesRequest) -> Result<(), Failure> {
    asked.page_size = PAGE;
    let mut text = csv_cell::row([
        "upn",
        "name",
        "object_id",
        "target",
        "outcome",
        "action",
        "cause",
        "rule",
        "reason",
        "applied",
        "field",
        "old",
        "new",
    ]);
    loop {
        let page = api
            .call(asked.clone(), async |request| {
                api.runs().list_changes(request).await
            })
            .await?;
        page.changes.iter().for_each(|change| rows(change, &mut text));
        print(&text)?;
        text.clear();
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        asked.page_token = page.next_page_token;
    }
}

/// A line for each field that changes, one at least.
fn rows(change: &v1::Change, text: &mut String) {
    let rule = change.rule.to_string();
    let outcome = words::outcome(change.outcome());
    let head = [
        change.upn.as_str(),
        &change.name,
        &change.object_id,
        &change.target,
        &outcome,
        &change.action,
        &change.cause,
        if change.rule == 0 { "" } else { &rule },
        &change.reason,
        if change.applied { "yes" } else { "no" },
    ];
    if change.fields.is_empty() {
        text.push_str(&csv_cell::row(head.into_iter().chain([""; 3])));
    }
    for v1::FieldChange { field, old, new } in &change.fields {
        let value = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        let (old, new) = (value(old), value(new));
        text.push_str(&csv_cell::row(head.into_iter().chain([
            field.as_str(),
            &old,
            &new,
        ])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_each_field_and_no_formula() {
        let field = |name: &str, new: &str| v1::FieldChange {
            field: name.to_owned(),
            old: None,
            new: Some(new.to_owned()),
        };
        let change = v1::Change {
            upn: "a@contoso.com".to_owned(),
            outcome: v1::Outcome::Updated.into(),
            rule: 4,
            fields: vec![field("name", "=1+1"), field("city", "Bern, CH")],
            applied: true,
            ..v1::Change::default()
        };
        let mut text = String::new();
        rows(&change, &mut text);
        rows(&v1::Change::default(), &mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "a@contoso.com,,,,updated,,,4,,yes,name,,'=1+1");
        assert_eq!(lines[1], "a@contoso.com,,,,updated,,,4,,yes,city,,\"Bern, CH\"");
        assert_eq!(lines.len(), 3);
    }
}
