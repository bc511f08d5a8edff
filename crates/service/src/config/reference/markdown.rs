//! The reference as it is printed.

use super::{Key, Needed};

const HEAD: &str = "| key | variable | value | default | meaning |\n| --- | --- | --- | --- | --- |\n";

/// A service's page: a table for each section.
pub(super) fn page(name: &str, keys: &[Key]) -> String {
    let mut page = format!("## rollcall-{name}\n");
    let mut section = "";
    for key in keys {
        if key.found.section() != section {
            section = key.found.section();
            page.extend(["\n### `[", section, "]`\n\n", HEAD]);
        }
        page.push_str(&line(key));
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
