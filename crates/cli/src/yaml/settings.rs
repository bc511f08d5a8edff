//! `kind: Settings`.

use contracts::v1;

use crate::yaml::section::Section;

/// Reads the document.
pub fn read(section: &mut Section<'_>) -> v1::Settings {
    v1::Settings {
        name: section.text("name").unwrap_or_default(),
        mail_to: section.texts("mailTo"),
        mail_on_completion: section.flag("mailOnCompletion"),
    }
}
