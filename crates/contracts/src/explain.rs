//! What deciding tells of itself, as `rollcall.v1` writes it (B5).

use domain::account::Account;
use domain::criteria::{ClauseAnswer, FilterAnswer, Verdict};
use domain::decide::explain::{CandidateAnswer, Compared, Explanation, MappingAnswer, RuleAnswer};
use domain::decision::{Decision, Outcome};
use domain::mapping::{Authority, Mapping};

use crate::v1;

/// An explanation, with who feeds the fields of the account beside it.
#[must_use]
pub fn explanation(told: &Explanation<'_>, fields: Vec<v1::FieldSource>) -> v1::Explanation {
    v1::Explanation {
        never_touch: told.never_touch.map(ToString::to_string).unwrap_or_default(),
        mappings: told.mappings.iter().map(mapping).collect(),
        rules: told.rules.iter().map(rule).collect(),
        now: Some(change(&told.now)),
        fields,
    }
}

/// The fields that a mapping feeds, with what the account holds.
pub fn fields<'a>(
    mapping: &'a Mapping,
    account: Option<&'a Account>,
) -> impl Iterator<Item = v1::FieldSource> + 'a {
    mapping.rows.iter().map(move |row| v1::FieldSource {
        field: row.field.key().to_owned(),
        value: account
            .and_then(|account| account.value(row.field))
            .unwrap_or_default()
            .to_owned(),
        connection: String::new(),
        mapping: mapping.name.clone(),
        source: row.source.to_string(),
        authority: row.authority.key().to_owned(),
        locked: account.is_some() && row.authority == Authority::Always,
    })
}

fn mapping(answer: &MappingAnswer<'_>) -> v1::MappingAnswer {
    v1::MappingAnswer {
        mapping: answer.mapping.to_owned(),
        verdict: verdict(answer.verdict).into(),
        decides: answer.decides,
        filters: answer.filters.iter().map(filter).collect(),
    }
}

fn filter(answer: &FilterAnswer<'_>) -> v1::FilterAnswer {
    v1::FilterAnswer {
        verdict: verdict(answer.verdict).into(),
        decides: answer.decides,
        clauses: answer.clauses.iter().map(clause).collect(),
    }
}

fn clause(answer: &ClauseAnswer<'_>) -> v1::ClauseAnswer {
    v1::ClauseAnswer {
        clause: answer.clause.to_string(),
        verdict: verdict(answer.verdict).into(),
        decides: answer.decides,
    }
}

const fn verdict(verdict: Verdict) -> v1::Verdict {
    match verdict {
        Verdict::Holds => v1::Verdict::Holds,
        Verdict::DoesNotHold => v1::Verdict::DoesNotHold,
        Verdict::Unknown => v1::Verdict::Unknown,
        Verdict::NotAsked => v1::Verdict::NotAsked,
    }
}

fn rule(answer: &RuleAnswer) -> v1::RuleAnswer {
    v1::RuleAnswer {
        rule: answer.rule as i32,
        name: answer.rule.name().to_owned(),
        decides: answer.decides,
        note: answer.note.unwrap_or_default().to_owned(),
        keys: answer.keys.iter().map(key).collect(),
        candidates: answer.candidates.iter().map(candidate).collect(),
    }
}

fn key(compared: &Compared) -> v1::ComparedKey {
    v1::ComparedKey {
        source: compared.source.clone(),
        field: compared.field.to_owned(),
        value: compared.value.clone().unwrap_or_default(),
    }
}

fn candidate(answer: &CandidateAnswer) -> v1::CandidateAnswer {
    v1::CandidateAnswer {
        account_id: answer.account.to_string(),
        label: answer.label.clone(),
        won: answer.lost.is_none(),
        reason: answer.lost.clone().unwrap_or_default(),
    }
}

/// A decision that nothing has come of yet. The id of an account that would be new means nothing.
fn change(decision: &Decision<'_>) -> v1::Change {
    let new = decision.outcome == Outcome::Added;
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    v1::Change {
        target: decision.kind.key().to_owned(),
        object_id: decision.object.map(|id| id.to_string()).unwrap_or_default(),
        account_id: decision
            .account
            .filter(|_| !new)
            .map(|id| id.to_string())
            .unwrap_or_default(),
        name: text(&decision.name),
        upn: text(&decision.upn),
        outcome: match decision.outcome {
            Outcome::Added => v1::Outcome::Added,
            Outcome::Updated => v1::Outcome::Updated,
            Outcome::Unchanged => v1::Outcome::Unchanged,
            Outcome::Skipped => v1::Outcome::Skipped,
            Outcome::Removed => v1::Outcome::Removed,
            Outcome::Held => v1::Outcome::Held,
            Outcome::Failed => v1::Outcome::Failed,
        }
        .into(),
        rule: decision.rule.map_or(0, |rule| rule as u32),
        reason: text(&decision.reason),
        cause: decision
            .cause
            .map(|cause| cause.key().to_owned())
            .unwrap_or_default(),
        action: decision.action.key().to_owned(),
        fields: decision
            .fields
            .iter()
            .map(|change| v1::FieldChange {
                field: change.field.key().to_owned(),
                old: change.old.as_deref().map(str::to_owned),
                new: change.new.as_deref().map(str::to_owned),
            })
            .collect(),
        applied: false,
    }
}
