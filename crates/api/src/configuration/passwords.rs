//! Local passwords of imported accounts, in the settings (M6). The predefined one is never shown again.

use contracts::v1;
use domain::id::OrganizationId;
use domain::password::{LONGEST, Policy, SHORTEST};
use secrecy::{ExposeSecret, SecretString};
use store::credential::SealedSecret;
use store::password_settings::{Mode, PasswordSettings};
use vault::Sealed;

use super::check::Problems;
use super::properties::Properties;
use crate::app::App;
use crate::fault::{Fault, Violation};

/// What the predefined password is sealed as, with the organization's id.
const PURPOSE: &str = keys::purpose::PREDEFINED_PASSWORD;
/// Characters in a predefined password at most.
const MOST: usize = 256;

/// What a document asks for.
#[derive(Debug)]
pub struct WantedPasswords {
    mode: Mode,
    /// None leaves the stored one.
    predefined: Option<SecretString>,
    must_change: bool,
    mail: bool,
    policy: Policy,
}

/// Checks the section by itself; without one there are no passwords.
pub fn check(document: Option<&v1::PasswordSettings>, problems: &mut Problems<'_>) -> WantedPasswords {
    let none = v1::PasswordSettings::default();
    let document = document.unwrap_or(&none);
    let mode = match v1::PasswordMode::try_from(document.mode) {
        Ok(v1::PasswordMode::Unspecified | v1::PasswordMode::None) => Mode::None,
        Ok(v1::PasswordMode::Random) => Mode::Random,
        Ok(v1::PasswordMode::Predefined) => Mode::Predefined,
        Err(_) => {
            problems.add("passwords.mode", "is none of none, random and predefined");
            Mode::None
        }
    };
    let policy = policy(document.policy.as_ref(), problems);
    let predefined =
        (!document.predefined.is_empty()).then(|| SecretString::from(document.predefined.as_str()));
    if let Some(predefined) = &predefined {
        if mode != Mode::Predefined {
            problems.add(
                "passwords.predefined",
                format!(
                    "is given, but mode is {}; write mode: predefined, or remove it",
                    mode.key()
                ),
            );
        }
        let text = predefined.expose_secret();
        if text.chars().count() > MOST || text.contains(char::is_control) {
            problems.add(
                "passwords.predefined",
                format!("has control characters, or more than {MOST} characters"),
            );
        }
        if let Some(told) = told(policy, predefined) {
            problems.add(
                "passwords.predefined",
                format!("{told}, as passwords.policy asks for"),
            );
        }
    }
    WantedPasswords {
        mode,
        predefined,
        must_change: document.must_change.unwrap_or(true),
        mail: document.mail.unwrap_or(true),
        policy,
    }
}

fn policy(document: Option<&v1::PasswordPolicy>, problems: &mut Problems<'_>) -> Policy {
    let none = v1::PasswordPolicy::default();
    let (document, usual) = (document.unwrap_or(&none), Policy::default());
    let length = document.length.map_or(Some(usual.length), |length| {
        u8::try_from(length)
            .ok()
            .filter(|length| (SHORTEST..=LONGEST).contains(length))
    });
    if length.is_none() {
        problems.add(
            "passwords.policy.length",
            format!("must be {SHORTEST} to {LONGEST}"),
        );
    }
    Policy {
        length: length.unwrap_or(usual.length),
        lower: document.lower.unwrap_or(usual.lower),
        upper: document.upper.unwrap_or(usual.upper),
        digit: document.digit.unwrap_or(usual.digit),
        symbol: document.symbol.unwrap_or(usual.symbol),
        not_login: document.not_login.unwrap_or(usual.not_login),
    }
}

/// Everything that the policy finds wrong with a password; never the password.
fn told(policy: Policy, password: &SecretString) -> Option<String> {
    let breaches = policy.breaches(password.expose_secret(), "");
    let told: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Checks what can only be judged with what is stored: a predefined password that stays must be there, and pass the policy.
pub fn check_stored(
    app: &App,
    organization: OrganizationId,
    (index, wish): (usize, &WantedPasswords),
    had: &PasswordSettings,
    violations: &mut Vec<Violation>,
) {
    if wish.mode != Mode::Predefined || wish.predefined.is_some() {
        return;
    }
    let problem = match &had.predefined {
        None => Some("is missing, and none is stored; write predefined: { fromEnv: NAME }".to_owned()),
        Some(stored) => match open(app, organization, stored) {
            Err(_) => Some("can't be decrypted any more; give it again".to_owned()),
            Ok(password) => told(wish.policy, &password)
                .map(|told| format!("is stored, but {told}, as passwords.policy asks for; give another one")),
        },
    };
    if let Some(problem) = problem {
        violations.push(Violation {
            path: format!("documents[{index}].settings.passwords.predefined"),
            problem,
        });
    }
}

fn open(
    app: &App,
    organization: OrganizationId,
    stored: &SealedSecret,
) -> Result<SecretString, vault::OpenError> {
    app.vault.open(&sealed(stored), PURPOSE, organization.0)
}

fn sealed(stored: &SealedSecret) -> Sealed {
    Sealed {
        key_id: stored.key_id.clone(),
        ciphertext: stored.ciphertext.clone(),
    }
}

/// What is to be stored. A predefined password that is there already stays as it is sealed; without the mode it goes.
pub fn wanted(
    app: &App,
    organization: OrganizationId,
    wish: &WantedPasswords,
    had: &PasswordSettings,
) -> Result<PasswordSettings, Fault> {
    let kept = had.predefined.clone().filter(|_| wish.mode == Mode::Predefined);
    let same = |password: &SecretString| {
        kept.as_ref().is_some_and(|kept| {
            open(app, organization, kept)
                .is_ok_and(|opened| opened.expose_secret() == password.expose_secret())
                && !app.vault.needs_rotation(&sealed(kept))
        })
    };
    let predefined = match &wish.predefined {
        Some(password) if wish.mode == Mode::Predefined && !same(password) => {
            let Sealed { key_id, ciphertext } = app.vault.seal(password, PURPOSE, organization.0)?;
            Some(SealedSecret { key_id, ciphertext })
        }
        _ => kept,
    };
    Ok(PasswordSettings {
        mode: wish.mode,
        must_change: wish.must_change,
        mail: wish.mail,
        policy: wish.policy,
        predefined,
    })
}

/// Path and value of each property; a predefined password that takes another's place says so.
pub fn properties(settings: &PasswordSettings, had: Option<&PasswordSettings>) -> Properties {
    let before = had.and_then(|had| had.predefined.as_ref());
    let predefined = match (&settings.predefined, before) {
        (None, _) => "",
        (Some(now), Some(before)) if now != before => "(changed)",
        (Some(_), _) => "(set)",
    };
    let policy = &settings.policy;
    [
        ("mode", settings.mode.key().to_owned()),
        ("predefined", predefined.to_owned()),
        ("mustChange", settings.must_change.to_string()),
        ("mail", settings.mail.to_string()),
        ("policy.length", policy.length.to_string()),
        ("policy.lower", policy.lower.to_string()),
        ("policy.upper", policy.upper.to_string()),
        ("policy.digit", policy.digit.to_string()),
        ("policy.symbol", policy.symbol.to_string()),
        ("policy.notLogin", policy.not_login.to_string()),
    ]
    .into_iter()
    .map(|(path, value)| (format!("passwords.{path}"), value))
    .collect()
}

/// The section as it is exported; none where nothing differs from the usual.
pub fn document(settings: &PasswordSettings) -> Option<v1::PasswordSettings> {
    if *settings == PasswordSettings::default() {
        return None;
    }
    let mode = match settings.mode {
        Mode::None => v1::PasswordMode::None,
        Mode::Random => v1::PasswordMode::Random,
        Mode::Predefined => v1::PasswordMode::Predefined,
    };
    let policy = &settings.policy;
    Some(v1::PasswordSettings {
        mode: mode.into(),
        predefined: String::new(),
        has_predefined: settings.predefined.is_some(),
        must_change: Some(settings.must_change),
        mail: Some(settings.mail),
        policy: Some(v1::PasswordPolicy {
            length: Some(policy.length.into()),
            lower: Some(policy.lower),
            upper: Some(policy.upper),
            digit: Some(policy.digit),
            symbol: Some(policy.symbol),
            not_login: Some(policy.not_login),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(document: &v1::PasswordSettings) -> Vec<String> {
        let mut violations = Vec::new();
        check(Some(document), &mut Problems::at("settings", &mut violations));
        violations
            .into_iter()
            .map(|violation| format!("{} {}", violation.path, violation.problem))
            .collect()
    }

    fn predefined(password: &str) -> v1::PasswordSettings {
        v1::PasswordSettings {
            mode: v1::PasswordMode::Predefined.into(),
            predefined: password.to_owned(),
            ..v1::PasswordSettings::default()
        }
    }

    #[test]
    fn m6_a_predefined_password_must_pass_the_policy_and_is_not_told() {
        assert_eq!(problems(&predefined("Cor-rect7horse")), Vec::<String>::new());
        let told = problems(&predefined("correcthorse"));
        assert_eq!(told.len(), 1, "{told:?}");
        for part in ["passwords.predefined", "upper-case", "no digit", "no symbol"] {
            assert!(told[0].contains(part), "{told:?}");
        }
        assert!(!told[0].contains("correcthorse"));
    }

    #[test]
    fn m6_what_does_not_go_together_is_refused() {
        let mut given = predefined("Cor-rect7horse");
        given.mode = v1::PasswordMode::Random.into();
        assert!(problems(&given)[0].contains("mode is random"));
        given.policy = Some(v1::PasswordPolicy {
            length: Some(4),
            ..v1::PasswordPolicy::default()
        });
        assert!(problems(&given).iter().any(|told| told.contains("8 to 64")));
        given.predefined = "Cor-rect7\nhorse".to_owned();
        assert!(
            problems(&given)
                .iter()
                .any(|told| told.contains("control characters"))
        );
    }

    #[test]
    fn m6_what_is_usual_is_not_exported() {
        assert_eq!(document(&PasswordSettings::default()), None);
    }
}
