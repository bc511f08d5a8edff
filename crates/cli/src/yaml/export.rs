//! Documents of the API as YAML that applies again.

use contracts::v1;
use contracts::v1::document::Kind;
use contracts::v1::schedule::Frequency;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_saphyr::FlowMap;

use crate::words::{
    AUTHORITIES, CLOUDS, DELETION_MODES, FIELD_TYPES, FIRST_RUNS, IDENTIFIERS, LEAVER_ACTIONS, OPERATORS,
    PASSWORD_MODES, RETURN_ACTIONS, ROLES, TARGETS, WEEKDAYS, word_of,
};

/// A YAML value whose keys keep their order.
enum Yaml {
    Text(String),
    Flag(bool),
    Number(u32),
    List(Vec<Yaml>),
    /// On one line: `{ field: name, attribute: displayName }`.
    Line(FlowMap<Keys>),
}

/// Keys of a map; what is not set is left out.
#[derive(Default)]
struct Keys(Vec<(&'static str, Yaml)>);

/// All documents, parted by `---`. Secrets are never exported: where one is stored, a placeholder says which variable
/// to set.
pub fn to_yaml(documents: &[v1::Document]) -> Result<String, serde_saphyr::SerializeError> {
    let mut text = String::new();
    for document in documents {
        let (comment, keys) = match &document.kind {
            Some(Kind::Credential(credential)) => of_credential(credential),
            Some(Kind::Connection(connection)) => (None, of_connection(connection)),
            Some(Kind::Mapping(mapping)) => (None, of_mapping(mapping)),
            Some(Kind::CustomField(custom)) => (None, of_custom_field(custom)),
            Some(Kind::Schedule(schedule)) => (None, of_schedule(schedule)),
            Some(Kind::Settings(settings)) => of_settings(settings),
            None => continue,
        };
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&comment.unwrap_or_default());
        text.push_str(&serde_saphyr::to_string(&keys)?);
    }
    Ok(text)
}

fn of_credential(credential: &v1::Credential) -> (Option<String>, Keys) {
    let variable = variable_of(&credential.name);
    let next_variable = format!("{variable}_NEXT");
    let from = |variable: &str| Yaml::Line(FlowMap(Keys::default().text("fromEnv", variable)));
    let keys = Keys::of_kind("Credential")
        .text("name", &credential.name)
        .text("tenantId", &credential.tenant_id)
        .text("clientId", &credential.client_id)
        .maybe("clientSecret", credential.has_secret.then(|| from(&variable)))
        .text("expires", &credential.expires)
        .maybe(
            "nextClientSecret",
            credential.has_next_secret.then(|| from(&next_variable)),
        )
        .text("nextExpires", &credential.next_expires);
    let stored = [
        (credential.has_secret, variable),
        (credential.has_next_secret, next_variable),
    ];
    let wanted: Vec<String> = stored
        .into_iter()
        .filter_map(|(stored, variable)| stored.then_some(variable))
        .collect();
    let comment = (!wanted.is_empty()).then(|| {
        format!(
            "# Secrets are not exported: set {} before applying this.\n",
            wanted.join(" and ")
        )
    });
    (comment, keys)
}

fn of_connection(connection: &v1::Connection) -> Keys {
    let explicit = !connection.login_url.is_empty() && !connection.graph_url.is_empty();
    let cloud = if explicit {
        None
    } else {
        word_of(&CLOUDS, connection.cloud())
    };
    Keys::of_kind("Connection")
        .text("name", &connection.name)
        .text("tenantId", &connection.tenant_id)
        .text("credential", &connection.credential)
        .word("cloud", cloud)
        .text("loginUrl", &connection.login_url)
        .text("graphUrl", &connection.graph_url)
        .text("tokenUrl", &connection.token_url)
        .word(
            "deletionMode",
            word_of(&DELETION_MODES, connection.deletion_mode()),
        )
        .line("leavers", connection.leavers.as_ref().map(of_leavers))
        .line("brake", connection.brake.as_ref().map(of_brake))
        .word("firstRun", word_of(&FIRST_RUNS, connection.first_run()))
}

fn of_leavers(leavers: &v1::LeaverPolicies) -> Keys {
    Keys::default()
        .word("disabled", word_of(&LEAVER_ACTIONS, leavers.disabled()))
        .word("softDeleted", word_of(&LEAVER_ACTIONS, leavers.soft_deleted()))
        .word("gone", word_of(&LEAVER_ACTIONS, leavers.gone()))
        .word("outOfScope", word_of(&LEAVER_ACTIONS, leavers.out_of_scope()))
        .word("returning", word_of(&RETURN_ACTIONS, leavers.returning()))
}

fn of_brake(brake: &v1::Brake) -> Keys {
    Keys::default()
        .add("percent", Yaml::Number(brake.percent))
        .add("count", Yaml::Number(brake.count))
        .add("from", Yaml::Number(brake.from))
}

fn of_mapping(mapping: &v1::Mapping) -> Keys {
    let keys = Keys::of_kind("Mapping")
        .text("name", &mapping.name)
        .text("connection", &mapping.connection)
        .word("target", word_of(&TARGETS, mapping.target()));
    if mapping.target() == v1::MappingTarget::Groups {
        return keys;
    }
    let rows = mapping
        .fields
        .iter()
        .map(|row| Yaml::Line(FlowMap(of_row(row))))
        .collect();
    keys.word("role", word_of(&ROLES, mapping.role()))
        .text("organizationalUnit", &mapping.organizational_unit)
        .word(
            "uniqueIdentifier",
            word_of(&IDENTIFIERS, mapping.unique_identifier()),
        )
        .text("entity", &mapping.entity)
        .text("collection", &mapping.collection)
        .maybe(
            "overrideByEmail",
            (mapping.target() == v1::MappingTarget::Accounts)
                .then_some(Yaml::Flag(mapping.override_by_email)),
        )
        .add("includeDisabled", Yaml::Flag(mapping.include_disabled))
        .list("fields", rows)
        .list("criteria", mapping.criteria.iter().map(of_filter).collect())
}

fn of_filter(filter: &v1::Filter) -> Yaml {
    let clauses = filter.clauses.iter();
    Yaml::List(
        clauses
            .map(|clause| Yaml::Line(FlowMap(of_clause(clause))))
            .collect(),
    )
}

fn of_clause(clause: &v1::Clause) -> Keys {
    let mut values: Vec<Yaml> = clause.values.iter().cloned().map(Yaml::Text).collect();
    let value = match values.len() {
        1 => values.pop(),
        0 => None,
        _ => Some(Yaml::List(values)),
    };
    Keys::default()
        .text("attribute", &clause.attribute)
        .word("operator", word_of(&OPERATORS, clause.operator()))
        .maybe("value", value)
}

fn of_row(row: &v1::MappingField) -> Keys {
    Keys::default()
        .text("field", &row.field)
        .text("attribute", &row.attribute)
        .maybe("constant", row.constant.clone().map(Yaml::Text))
        .maybe("default", row.default.clone().map(Yaml::Text))
        .word("authority", word_of(&AUTHORITIES, row.authority()))
        .maybe("clear", row.clear.map(Yaml::Flag))
}

fn of_custom_field(custom: &v1::CustomField) -> Keys {
    Keys::of_kind("CustomField")
        .text("name", &custom.name)
        .word("type", word_of(&FIELD_TYPES, custom.r#type()))
}

fn of_schedule(schedule: &v1::Schedule) -> Keys {
    let line = |keys: Keys| Yaml::Line(FlowMap(keys));
    let word = |word: &str| Yaml::Text(word.to_owned());
    let frequency = schedule.frequency.as_ref().map(|frequency| match frequency {
        Frequency::Daily(_) => word("daily"),
        Frequency::Once(_) => word("once"),
        Frequency::Hours(hours) => line(Keys::default().add("hours", Yaml::Number(*hours))),
        Frequency::Monthly(day) => line(Keys::default().add("monthly", Yaml::Number(*day))),
        Frequency::Cron(cron) => line(Keys::default().text("cron", cron)),
        Frequency::Weekly(weekly) => {
            let days = weekly.days().filter_map(|day| word_of(&WEEKDAYS, day));
            line(Keys::default().list("weekly", days.map(word).collect()))
        }
    });
    let delta = schedule.delta.as_ref().map(|delta| {
        Keys::default()
            .maybe("on", delta.on.map(Yaml::Flag))
            .maybe("hours", delta.hours.map(Yaml::Number))
    });
    let deprovision = schedule.deprovision.as_ref().map(|deprovision| {
        Keys::default()
            .maybe("on", deprovision.on.map(Yaml::Flag))
            .text("at", &deprovision.at)
    });
    Keys::of_kind("Schedule")
        .text("name", &schedule.name)
        .text("connection", &schedule.connection)
        .maybe("on", schedule.on.map(Yaml::Flag))
        .maybe("frequency", frequency)
        .text("start", &schedule.start)
        .text("timeZone", &schedule.time_zone)
        .line("delta", delta)
        .line("deprovision", deprovision)
}

fn of_settings(settings: &v1::Settings) -> (Option<String>, Keys) {
    let keys = Keys::of_kind("Settings")
        .text("name", &settings.name)
        .add(
            "mailTo",
            Yaml::List(settings.mail_to.iter().cloned().map(Yaml::Text).collect()),
        )
        .maybe("mailOnCompletion", settings.mail_on_completion.map(Yaml::Flag));
    let Some(passwords) = &settings.passwords else {
        return (None, keys);
    };
    let comment = passwords
        .has_predefined
        .then(|| format!("# Secrets are not exported: set {PREDEFINED_VARIABLE} before applying this.\n"));
    (comment, keys.line("passwords", Some(of_passwords(passwords))))
}

/// The variable that an exported predefined password names.
const PREDEFINED_VARIABLE: &str = "PREDEFINED_PASSWORD";

fn of_passwords(passwords: &v1::PasswordSettings) -> Keys {
    let flag = |flag: Option<bool>| flag.map(Yaml::Flag);
    let policy = passwords.policy.map(|policy| {
        Keys::default()
            .maybe("length", policy.length.map(Yaml::Number))
            .maybe("lower", flag(policy.lower))
            .maybe("upper", flag(policy.upper))
            .maybe("digit", flag(policy.digit))
            .maybe("symbol", flag(policy.symbol))
            .maybe("notLogin", flag(policy.not_login))
    });
    let predefined = passwords
        .has_predefined
        .then(|| Keys::default().text("fromEnv", PREDEFINED_VARIABLE));
    Keys::default()
        .word("mode", word_of(&PASSWORD_MODES, passwords.mode()))
        .line("predefined", predefined)
        .maybe("mustChange", flag(passwords.must_change))
        .maybe("mail", flag(passwords.mail))
        .line("policy", policy)
}

/// The variable that an exported credential names: `contoso-app` is read from `CONTOSO_APP_SECRET`.
fn variable_of(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    let start = if plain.starts_with(|c: char| c.is_ascii_digit()) {
        "_"
    } else {
        ""
    };
    format!("{start}{plain}_SECRET")
}

impl Keys {
    fn of_kind(kind: &str) -> Self {
        Self::default().text("kind", kind)
    }

    fn add(mut self, key: &'static str, value: Yaml) -> Self {
        self.0.push((key, value));
        self
    }

    fn maybe(self, key: &'static str, value: Option<Yaml>) -> Self {
        match value {
            Some(value) => self.add(key, value),
            None => self,
        }
    }

    fn text(self, key: &'static str, text: &str) -> Self {
        self.maybe(key, (!text.is_empty()).then(|| Yaml::Text(text.to_owned())))
    }

    fn word(self, key: &'static str, word: Option<&'static str>) -> Self {
        self.text(key, word.unwrap_or_default())
    }

    fn list(self, key: &'static str, items: Vec<Yaml>) -> Self {
        self.maybe(key, (!items.is_empty()).then_some(Yaml::List(items)))
    }

    fn line(self, key: &'static str, keys: Option<Keys>) -> Self {
        let keys = keys.filter(|keys| !keys.0.is_empty());
        self.maybe(key, keys.map(|keys| Yaml::Line(FlowMap(keys))))
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Yaml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Line(keys) => keys.serialize(serializer),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
        }
    }
}
