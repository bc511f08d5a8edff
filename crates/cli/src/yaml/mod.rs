//! Configuration as YAML: files in, documents of the API out, each knowing its place.

pub mod connection;
pub mod credential;
pub mod custom_field;
pub mod export;
pub mod mapping;
pub mod node;
pub mod schedule;
pub mod secret;
pub mod section;
pub mod settings;

use std::collections::HashMap;
use std::io::Read;

use contracts::v1::Document;
use contracts::v1::document::Kind;

use crate::suggest::did_you_mean;
use crate::yaml::node::{At, Node, Value};
use crate::yaml::secret::Environment;
use crate::yaml::section::{Problem, Problems, Section};

/// The largest file: 1 MiB. A thousand connections fit.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Kinds of the design that this version does not take yet.
const LATER: [&str; 1] = ["RoleMapping"];

const KINDS: [&str; 6] = [
    "Credential",
    "Connection",
    "CustomField",
    "Mapping",
    "Schedule",
    "Settings",
];

/// A document and where it was written.
#[derive(Debug)]
pub struct Placed {
    pub document: Document,
    pub file: String,
    /// `mapping contoso-staff`
    pub label: String,
    node: Node,
}

/// Reads all files (`-` is standard input); either every document is right, or everything that is wrong is told.
pub fn load(files: &[String], environment: Environment<'_>) -> Result<Vec<Placed>, Vec<Problem>> {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match read_file(file) {
            Ok(text) => parse(file, &text, environment, &mut documents, &mut problems),
            Err(message) => {
                let at = At { line: 1, column: 1 };
                problems.push(Problem {
                    file: file.clone(),
                    at,
                    message,
                });
            }
        }
    }
    complete(documents, problems)
}

impl Placed {
    /// `path` without the name of the document's kind, and as YAML has it: `mapping.fields[2].attribute` is
    /// `fields[2].attribute`, and `mapping.criteria[0].clauses[1].values` is `criteria[0][1].value`.
    pub fn inner_path(&self, path: &str) -> String {
        let kind = self.label.split(' ').next().unwrap_or_default();
        let inner = match path.split_at_checked(kind.len()) {
            Some((own, rest)) if own.eq_ignore_ascii_case(kind) && rest.is_empty() => "",
            Some((own, rest)) if own.eq_ignore_ascii_case(kind) => rest.strip_prefix('.').unwrap_or(path),
            _ => path,
        };
        if !inner.starts_with("criteria[") {
            return inner.to_owned();
        }
        let inner = inner.replacen("].clauses[", "][", 1);
        match inner.strip_suffix(".values") {
            Some(clause) => format!("{clause}.value"),
            None => inner,
        }
    }

    /// Where the field at `path` (`mapping.fields[2].attribute`, in either letter style) is written, or the nearest
    /// thing around it.
    pub fn place_of(&self, path: &str) -> At {
        let mut node = &self.node;
        let mut at = node.at;
        for step in self.inner_path(path).split(['.', '[']) {
            let next = match &node.value {
                Value::Map(_) => node.get(&lower_camel(step)).map(|(_, value)| value),
                Value::List(items) => step
                    .trim_end_matches(']')
                    .parse::<usize>()
                    .ok()
                    .and_then(|i| items.get(i)),
                Value::Scalar { .. } => None,
            };
            let Some(next) = next else { break };
            node = next;
            at = node.at;
        }
        at
    }
}

fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.extend(c.to_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

/// All documents, if nothing is wrong with any of them.
fn complete(documents: Vec<Placed>, mut problems: Vec<Problem>) -> Result<Vec<Placed>, Vec<Problem>> {
    refuse_twins(&documents, &mut problems);
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(problems)
    }
}

/// Reads one file's text; either every document is right, or everything that is wrong is told.
pub fn of_text(file: &str, text: &str, environment: Environment<'_>) -> Result<Vec<Placed>, Vec<Problem>> {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    parse(file, text, environment, &mut documents, &mut problems);
    complete(documents, problems)
}

fn read_file(file: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("can't read it: {error}");
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin()
            .lock()
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_FILE_BYTES) {
        return Err(format!(
            "it is larger than {} MiB; split it",
            MAX_FILE_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .split(|byte| *byte == b'\n')
            .count();
        format!("it is not UTF-8 (line {line}); save it as UTF-8")
    })
}

fn parse(
    file: &str,
    text: &str,
    environment: Environment<'_>,
    documents: &mut Vec<Placed>,
    problems: &mut Vec<Problem>,
) {
    let (nodes, faults) = node::compose(text);
    let mut found = Problems::of_file(file);
    for fault in faults {
        found.add_fault(fault);
    }
    for node in nodes {
        let label = label_of(&node);
        found.begin(&label);
        if let Some(kind) = read_document(&node, environment, &mut found) {
            documents.push(Placed {
                document: Document { kind: Some(kind) },
                file: file.to_owned(),
                label,
                node,
            });
        }
    }
    problems.extend(found.into_sorted());
}

/// `mapping contoso-staff`, as far as it can be told.
fn label_of(node: &Node) -> String {
    let text = |key| node.get(key).and_then(|(_, value)| value.text());
    match (text("kind"), text("name")) {
        (Some(kind), Some(name)) => format!("{} {name}", kind.to_lowercase()),
        (Some(kind), None) => kind.to_lowercase(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => String::new(),
    }
}

fn read_document(node: &Node, environment: Environment<'_>, problems: &mut Problems) -> Option<Kind> {
    let mut section = Section::of("", node, problems)?;
    let kind = section.required("kind");
    let document = match kind.as_str() {
        "Credential" => Kind::Credential(credential::read(&mut section, environment)),
        "Connection" => Kind::Connection(connection::read(&mut section)),
        "Mapping" => Kind::Mapping(mapping::read(&mut section)),
        "Schedule" => Kind::Schedule(schedule::read(&mut section)),
        "CustomField" => Kind::CustomField(custom_field::read(&mut section)),
        "Settings" => Kind::Settings(settings::read(&mut section, environment)),
        "" => return None,
        later if LATER.contains(&later) => {
            section.problem_with("kind", format_args!("{later:?} is not available in this version"));
            return None;
        }
        other => {
            let advice = did_you_mean(other, KINDS);
            let kinds = KINDS.join(", ");
            section.problem_with("kind", format_args!("{other:?} is none of {kinds}{advice}"));
            return None;
        }
    };
    section.finish();
    Some(document)
}

/// The same document twice can't both be meant.
fn refuse_twins(documents: &[Placed], problems: &mut Vec<Problem>) {
    let mut seen: HashMap<(&str, &str), &Placed> = HashMap::new();
    for placed in documents {
        let key = match &placed.document.kind {
            Some(Kind::Credential(credential)) => ("credential", credential.name.as_str()),
            Some(Kind::Connection(connection)) => ("connection", connection.name.as_str()),
            Some(Kind::Mapping(mapping)) => ("mapping", mapping.name.as_str()),
            Some(Kind::CustomField(custom)) => ("customField", custom.name.as_str()),
            Some(Kind::Schedule(schedule)) => ("schedule", schedule.name.as_str()),
            Some(Kind::Settings(_)) => ("settings", ""),
            None => continue,
        };
        if let Some(first) = seen.insert(key, placed) {
            let message = format!(
                "{}: is there twice, first at {}:{}",
                placed.label, first.file, first.node.at
            );
            problems.push(Problem {
                file: placed.file.clone(),
                at: placed.node.at,
                message,
            });
        }
    }
}

#[cfg(test)]
mod tests;
