//! What can only be decided when every page is: who gets an account that several users claim (M5, design §6).

use crate::decision::LoginKey;
use crate::id::ObjectId;
use crate::overwrite::Rule;

/// One user's claim to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The user.
    pub object: ObjectId,
    /// How people tell the user from others.
    pub label: String,
    /// By which rule.
    pub rule: Rule,
}

/// Why a claim fails; `None`: it stands.
pub type Verdict = Option<String>;

/// Who gets the account: the lowest rule number wins if one user alone has it; the others fail. A tie fails all.
/// Answers in the order of the claims, and does not depend on it.
#[must_use]
pub fn claims(account: &str, claims: &[Claim]) -> Vec<Verdict> {
    if claims.len() < 2 {
        return vec![None; claims.len()];
    }
    let rules: Vec<Rule> = claims.iter().map(|claim| claim.rule).collect();
    let winner = winner(&rules).map(|place| &claims[place]);
    claims
        .iter()
        .map(|claim| match winner {
            Some(winner) if winner == claim => None,
            Some(winner) => Some(format!(
                "{} matches the account {account}, but {} has it by {}",
                claim.rule, winner.label, winner.rule
            )),
            None => Some(format!(
                "{} matches the account {account}, and so it does for {}; nobody is overwritten until one is changed",
                claim.rule,
                others(claims, claim)
            )),
        })
        .collect()
}

/// Whose claim to an account stands, by place, if anyone's does: that by the lowest rule number, if it is one alone.
#[must_use]
pub fn winner(rules: &[Rule]) -> Option<usize> {
    let strongest = rules.iter().min()?;
    let mut first = rules.iter().enumerate().filter(|(_, rule)| *rule == strongest);
    match (first.next(), first.next()) {
        (Some((place, _)), None) => Some(place),
        _ => None,
    }
}

/// Why nobody gets a login that several records would hold.
#[must_use]
pub fn login_taken(key: &LoginKey, by: &[String]) -> String {
    if let Some((entity, collection)) = key.belongs_to() {
        return format!(
            "the identifier {} must be unique in {collection} of {entity}, but {} would hold it too",
            key.login,
            by.join(" and ")
        );
    }
    let login = if key.domain.is_empty() {
        key.login.clone()
    } else {
        format!("{}@{}", key.login, key.domain)
    };
    format!(
        "the login {login} must be unique, but {} would hold it too",
        by.join(" and ")
    )
}

/// Why an account stays with the object that holds it.
#[must_use]
pub fn still_held(account: &str, rule: Rule, holder: &str) -> String {
    format!("{rule} matches the account {account}, which belongs to {holder}, who is still in the directory")
}

fn others(claims: &[Claim], but: &Claim) -> String {
    let mut labels: Vec<&str> = claims
        .iter()
        .filter(|claim| claim.object != but.object)
        .map(|claim| claim.label.as_str())
        .collect();
    labels.sort_unstable();
    labels.truncate(3);
    labels.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn claim(number: u128, rule: Rule) -> Claim {
        Claim {
            object: ObjectId(Uuid::from_u128(number)),
            label: format!("user{number}"),
            rule,
        }
    }

    #[test]
    fn the_strongest_rule_wins_if_one_user_alone_has_it() {
        let verdicts = claims(
            "ann",
            &[
                claim(1, Rule::LoginAndDomain),
                claim(2, Rule::OnPremisesDomainAndSam),
                claim(3, Rule::Email),
            ],
        );
        assert!(verdicts[1].is_none());
        for loser in [&verdicts[0], &verdicts[2]] {
            assert!(loser.as_ref().is_some_and(|why| why.contains("user2")));
        }
    }

    #[test]
    fn a_tie_fails_everyone_and_names_both_sides() {
        let verdicts = claims("ann", &[claim(1, Rule::Email), claim(2, Rule::Email)]);
        assert!(
            verdicts[0]
                .as_ref()
                .is_some_and(|why| why.contains("user2") && why.contains("ann"))
        );
        assert!(verdicts[1].as_ref().is_some_and(|why| why.contains("user1")));
    }

    #[test]
    fn a_tie_at_the_top_fails_the_weaker_ones_too() {
        let verdicts = claims(
            "ann",
            &[
                claim(1, Rule::LoginAndDomain),
                claim(2, Rule::LoginAndDomain),
                claim(3, Rule::Email),
            ],
        );
        assert!(verdicts.iter().all(Option::is_some));
    }
}
