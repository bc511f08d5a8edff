//! What became of users who were asked for one by one.

use contracts::v1;

use crate::table::{Column, Table};
use crate::words;

/// One line per user, and one more per further field that changed.
pub fn table(answer: &v1::ImportUsersResponse) -> String {
    let mut table = Table::new(&[
        Column::Left("USER"),
        Column::Left("OUTCOME"),
        Column::Right("RULE"),
        Column::Left("NAME"),
        Column::Left("ACCOUNT"),
        Column::Left("WHY"),
        Column::Left("FIELD"),
        Column::Left("OLD"),
        Column::Left("NEW"),
    ]);
    for result in &answer.results {
        let mut head = [
            result.user.clone(),
            outcome(result),
            if result.rule == 0 {
                String::new()
            } else {
                result.rule.to_string()
            },
            result.name.clone(),
            result.account_id.clone(),
            result.reason.clone(),
        ];
        // What is new is all of it.
        let fields: &[v1::FieldChange] = if result.outcome() == v1::Outcome::Added {
            &[]
        } else {
            &result.fields
        };
        if fields.is_empty() {
            table.row(row(head, <[String; 3]>::default()));
            continue;
        }
        for field in fields {
            let [old, new] = [&field.old, &field.new].map(|value| value.clone().unwrap_or_default());
            table.row(row(head, [field.field.clone(), old, new]));
            head = <[String; 6]>::default();
        }
    }
    table.into_text("Nobody was asked for.")
}

fn row(
    [user, outcome, rule, name, account, why]: [String; 6],
    [field, old, new]: [String; 3],
) -> [String; 9] {
    [user, outcome, rule, name, account, why, field, old, new]
}

fn outcome(result: &v1::UserResult) -> String {
    match result.outcome() {
        v1::Outcome::Unspecified => "not yet".to_owned(),
        v1::Outcome::Updated if result.overwritten => "overwritten".to_owned(),
        outcome => words::outcome(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_each_user_has_an_outcome_and_a_reason() {
        let result = |user: &str, outcome: v1::Outcome| v1::UserResult {
            user: user.to_owned(),
            outcome: outcome.into(),
            ..v1::UserResult::default()
        };
        let answer = v1::ImportUsersResponse {
            run: None,
            results: vec![
                result("ann@contoso.com", v1::Outcome::Added),
                v1::UserResult {
                    overwritten: true,
                    rule: 4,
                    fields: vec![v1::FieldChange {
                        field: "city".to_owned(),
                        old: None,
                        new: Some("Oslo".to_owned()),
                    }],
                    ..result("bob@contoso.com", v1::Outcome::Updated)
                },
                v1::UserResult {
                    reason: "no user".to_owned(),
                    ..result("cyd", v1::Outcome::Failed)
                },
            ],
        };
        let text = table(&answer);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[1], ["ann@contoso.com", "added"]);
        assert_eq!(lines[2], ["bob@contoso.com", "overwritten", "4", "city", "Oslo"]);
        assert_eq!(lines[3], ["cyd", "failed", "no", "user"]);
    }
}
