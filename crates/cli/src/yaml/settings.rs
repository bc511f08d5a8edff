//! `kind: Settings`.

use contracts::v1;

use crate::words::PASSWORD_MODES;
use crate::yaml::secret::{self, Environment};
use crate::yaml::section::Section;

/// Reads the document.
pub fn read(section: &mut Section<'_>, environment: Environment<'_>) -> v1::Settings {
    v1::Settings {
        name: section.text("name").unwrap_or_default(),
        mail_to: section.texts("mailTo"),
        mail_on_completion: section.flag("mailOnCompletion"),
        passwords: section.section("passwords", |passwords| read_passwords(passwords, environment)),
    }
}

/// Without `predefined` the stored one stays.
fn read_passwords(section: &mut Section<'_>, environment: Environment<'_>) -> v1::PasswordSettings {
    let mode = section.word("mode", &PASSWORD_MODES);
    v1::PasswordSettings {
        mode: mode.unwrap_or(v1::PasswordMode::Unspecified).into(),
        predefined: secret::read(section, "predefined", environment).unwrap_or_default(),
        has_predefined: false,
        must_change: section.flag("mustChange"),
        mail: section.flag("mail"),
        policy: section.section("policy", |policy| v1::PasswordPolicy {
            length: policy.number("length"),
            lower: policy.flag("lower"),
            upper: policy.flag("upper"),
            digit: policy.flag("digit"),
            symbol: policy.flag("symbol"),
            not_login: policy.flag("notLogin"),
        }),
    }
}
