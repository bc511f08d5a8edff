//! The reference as it is printed.

use super::{Key, Needed};

const HEAD: &str = "| key | variable | value | default | meaning |\n| --- | --- | --- | --- | --- |\n";

/// A service's page: a table for each section.
pub(super) fn page(name: &str, keys: &[Key]) -> String {
    let mut page = format!("## rollcall-{name}\n");
    // A section inside another may stand between that one's keys.
    let mut sections: Vec<&str> = Vec::new();
    for section in keys.iter().map(|key| key.found.section()) {
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    for section in sections {
        page.extend(["\n### `[", section, "]`\n\n", HEAD]);
        let of_it = keys.iter().filter(|key| key.found.section() == section);
        page.extend(of_it.map(line));
    }
    page
}

fn line(key: &Key) -> String {
    let (name, path) = (key.found.name(), &key.found.path);
    let variable = format!("ROLLCALL_{}", path.to_uppercase().replace('.', "__"));
    let secret = if key.found.secret { ", secret" } else { "" };
    let default = match (&key.default, key.needed) {
        (Some(default), _) => format!("`{}`", cell(default)),
        (None, Needed::Yes) => "**needed**".to_owned(),
        (None, Needed::WithItsSection) => "needed in this section".to_owned(),
        (None, Needed::No) => "none".to_owned(),
    };
    format!(
        "| `{name}` | `{variable}` | {}{secret} | {default} | {} |\n",
        cell(&key.found.kind),
        cell(&key.meaning)
    )
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
