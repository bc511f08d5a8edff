//! The reference of a service's configuration: every key with its type, default and meaning, as Markdown.
//!
//! The keys and their types come from the types that read them, by a deserializer that notes what it is asked for. What they
//! mean comes from the comments of the defaults; of keys without a default, from a commented line there (`# url = "…"`) or,
//! where services share the type, from `types.toml`. A key of the type that nothing explains is an error, and so is the reverse.

mod comments;
mod markdown;
mod walk;

use figment::Figment;
use serde::de::DeserializeOwned;

use super::{CHASSIS_DEFAULTS, CHASSIS_SECTIONS, Chassis, layer, without_chassis};
use comments::Comments;
use walk::Found;

/// Of keys of types that several services have, under the type's name.
const TYPES: &str = include_str!("types.toml");

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    found: Found,
    needed: Needed,
    /// As TOML; none where there is none.
    default: Option<String>,
    meaning: String,
}

/// Whether a service starts without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needed {
    Yes,
    /// Where its section is there.
    WithItsSection,
    No,
}

/// The reference of the service `name` as Markdown.
///
/// # Errors
/// Names every key that is in the type and not explained, or explained and not in the type.
pub fn reference<C: DeserializeOwned>(name: &str, defaults: &str) -> Result<String, String> {
    Ok(markdown::page(name, &keys::<C>(defaults)?))
}

fn keys<C: DeserializeOwned>(defaults: &str) -> Result<Vec<Key>, String> {
    let broken = |error: super::ConfigError| error.to_string();
    let merged = Figment::new()
        .merge(layer("the chassis' defaults", CHASSIS_DEFAULTS).map_err(broken)?)
        .merge(layer("the service's defaults", defaults).map_err(broken)?);
    let own = without_chassis(&merged);
    let explained = Explained {
        here: Comments::of(CHASSIS_DEFAULTS).over(Comments::of(defaults)),
        by_type: Comments::of(TYPES),
    };
    let mut found = note::<C>(&own, &explained)?;
    found.extend(note::<Chassis>(&merged, &explained)?);
    let mut problems = strangers(&found, &explained.here, &merged);
    let mut all = Vec::new();
    for one in found {
        let meaning = explained.meaning(&one);
        if meaning.is_none() {
            problems.push(format!("{} is not explained", one.path));
        }
        let chassis = CHASSIS_SECTIONS.iter().any(|section| one.is_in(section));
        let needed = if chassis {
            needed::<Chassis>(&merged, &explained, &one)
        } else {
            needed::<C>(&own, &explained, &one)
        };
        all.push(Key {
            default: merged
                .find_value(&one.path)
                .ok()
                .and_then(|value| walk::shown(&value)),
            meaning: meaning.unwrap_or_default(),
            needed,
            found: one,
        });
    }
    if problems.is_empty() {
        return Ok(all);
    }
    Err(problems.join("; "))
}

/// What is written of keys: by the service and the chassis, and by the type.
struct Explained {
    here: Comments,
    by_type: Comments,
}

impl Explained {
    fn meaning(&self, key: &Found) -> Option<String> {
        let by_type = || self.by_type.of_key(&format!("{}.{}", key.owner, key.name()));
        self.here.of_key(&key.path).or_else(by_type)
    }

    /// A text that the key takes.
    fn sample(&self, path: &str, owner: &str) -> Option<String> {
        let name = path.rsplit('.').next().unwrap_or_default();
        let by_type = || self.by_type.sample_of(&format!("{owner}.{name}"));
        self.here.sample_of(path).or_else(by_type)
    }
}

fn note<C: DeserializeOwned>(defaults: &Figment, explained: &Explained) -> Result<Vec<Found>, String> {
    walk::walk::<C>(defaults, explained, None)
        .map_err(|error| format!("the type asks for what is not known here: {error}"))
}

fn needed<C: DeserializeOwned>(defaults: &Figment, explained: &Explained, key: &Found) -> Needed {
    let can_go = |path: &str| walk::walk::<C>(defaults, explained, Some(path)).is_ok();
    if defaults.contains(&key.path) || can_go(&key.path) {
        return Needed::No;
    }
    match key.path.rsplit_once('.') {
        Some((section, _)) if can_go(section) => Needed::WithItsSection,
        _ => Needed::Yes,
    }
}

/// What is explained or has a default, and is no key.
fn strangers(found: &[Found], explained: &Comments, merged: &Figment) -> Vec<String> {
    let known = |path: &str| found.iter().any(|key| key.path == path);
    let mut paths: Vec<String> = explained.keys().map(str::to_owned).collect();
    if let Ok(all) = merged.extract::<figment::value::Dict>() {
        paths.extend(walk::paths(&all));
    }
    paths.sort();
    paths.dedup();
    paths.retain(|path| !known(path));
    paths
        .into_iter()
        .map(|path| format!("{path} is explained, and is no key"))
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde::Deserialize;

    use super::*;
    use crate::config::{ClientTls, DatabaseConfig};

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    #[serde(deny_unknown_fields)]
    struct Config {
        database: DatabaseConfig,
        work: Work,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    #[serde(deny_unknown_fields)]
    struct Work {
        at_once: std::num::NonZeroUsize,
        port: u16,
        mode: Mode,
        #[serde(default, deserialize_with = "crate::config::secret_or_none")]
        word: Option<SecretString>,
        #[serde(default)]
        tls: Option<ClientTls>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Slow,
        Quick,
    }

    const DEFAULTS: &str = "[database]\n# At most.\nmax_connections = 8\n\n[work]\n# How many.\n# And more.\nat_once = 2\n\
                            # Where.\nport = 1\n# How | fast.\nmode = \"quick\"\n# The word.\n# word = \"…\"\n";

    fn all() -> Vec<Key> {
        keys::<Config>(DEFAULTS).unwrap()
    }

    fn key(path: &str) -> Key {
        let found = all().into_iter().find(|key| key.found.path == path);
        found.unwrap_or_else(|| panic!("{path} is not in {:#?}", all()))
    }

    #[test]
    fn keys_types_defaults_and_meanings_come_from_the_type_and_the_comments() {
        assert_eq!(
            (key("work.at_once").meaning.as_str(), key("work.at_once").default),
            ("How many. And more.", Some("2".to_owned()))
        );
        assert!(key("work.at_once").found.kind.contains("1 or more"));
        assert!(key("work.port").found.kind.contains("65535"));
        assert_eq!(key("work.mode").found.kind, "`slow` or `quick`");
        assert!(key("work.word").found.secret && key("database.url").found.secret);
        assert_eq!(key("work.word").needed, Needed::No);
        assert_eq!(key("database.url").needed, Needed::Yes);
        assert_eq!(key("grpc.tls.cert").needed, Needed::WithItsSection);
        assert!(!key("work.tls.ca").meaning.is_empty(), "by its type");
        assert_eq!(key("grpc.listen").default.as_deref(), Some("\"127.0.0.1:0\""));
    }

    #[test]
    fn what_is_not_explained_and_what_is_no_key_are_named() {
        let silent = DEFAULTS.replace("# Where.\n", "");
        assert_eq!(keys::<Config>(&silent).unwrap_err(), "work.port is not explained");
        let more = format!("{DEFAULTS}# Of old.\nold = 1\n");
        assert_eq!(
            keys::<Config>(&more).unwrap_err(),
            "work.old is explained, and is no key"
        );
        let more = format!("{DEFAULTS}# Of old.\n# old = 1\n");
        assert!(keys::<Config>(&more).unwrap_err().contains("work.old"));
    }

    #[test]
    fn a_page_has_a_line_for_each_key_and_no_bar_of_a_text_breaks_it() {
        let page = reference::<Config>("worker", DEFAULTS).unwrap();
        for line in [
            "## rollcall-worker",
            "### `[work.tls]`",
            "| `mode` | `ROLLCALL_WORK__MODE` | `slow` or `quick` | `\"quick\"` | How \\| fast. |",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
        assert!(page.contains("needed"), "{page}");
    }
}
