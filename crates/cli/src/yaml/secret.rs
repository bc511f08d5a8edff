//! Where a secret comes from: the environment or a file, read here, never the YAML itself.

use std::env::VarError;
use std::io::Read;

use crate::yaml::node::{Node, Value};
use crate::yaml::section::Section;

/// The longest secret; Entra's have 40 characters.
const MAX_BYTES: u64 = 4096;

/// Looks a variable up in the environment; a parameter, so that tests need not change their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// The secret under `key`, or nothing and a problem.
pub fn read(section: &mut Section<'_>, key: &'static str, environment: Environment<'_>) -> Option<String> {
    let node = section.node(key)?;
    if !matches!(node.value, Value::Map(_)) {
        return refuse_plain(section, key, node);
    }
    let (variable, file) =
        section.section(key, |source| (source.text("fromEnv"), source.text("fromFile")))?;
    let secret = match (variable, file) {
        (Some(name), None) => of_environment(&name, environment),
        (None, Some(path)) => of_file(&path),
        (None, None) => Err("give fromEnv or fromFile".to_owned()),
        (Some(_), Some(_)) => Err("give fromEnv or fromFile, not both".to_owned()),
    };
    match secret.and_then(checked) {
        Ok(secret) => Some(secret),
        Err(problem) => say(section, key, &problem),
    }
}

fn refuse_plain(section: &mut Section<'_>, key: &'static str, node: &Node) -> Option<String> {
    let found = if matches!(node.value, Value::Scalar { .. }) && !node.is_nothing() {
        "a secret does not belong in a file that is kept".to_owned()
    } else {
        format!("expected where to read the secret, found {}", node.describe())
    };
    say(
        section,
        key,
        &format!("{found}; write {{ fromEnv: NAME }} or {{ fromFile: PATH }}"),
    )
}

fn say(section: &mut Section<'_>, key: &'static str, problem: &str) -> Option<String> {
    section.problem_with(key, problem);
    None
}

fn of_environment(name: &str, environment: Environment<'_>) -> Result<String, String> {
    match environment(name) {
        Ok(secret) if secret.trim().is_empty() => Err(format!("environment variable {name} is empty")),
        Ok(secret) => Ok(secret),
        Err(VarError::NotPresent) => Err(format!(
            "environment variable {name} is not set; export it before applying"
        )),
        Err(VarError::NotUnicode(_)) => Err(format!("environment variable {name} is not UTF-8")),
    }
}

/// Reads the file, relative to the working directory, without the line end that editors leave behind.
fn of_file(path: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("can't read the secret from {path}: {error}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the secret in {path} is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(format!("the secret in {path} is empty"));
    }
    Ok(text.to_owned())
}

fn checked(secret: String) -> Result<String, String> {
    if u64::try_from(secret.len()).is_ok_and(|bytes| bytes > MAX_BYTES) {
        return Err(format!(
            "the secret is longer than {MAX_BYTES} bytes; is that the right one?"
        ));
    }
    if secret.chars().any(char::is_control) {
        return Err("the secret holds line ends or control characters; is that the right one?".to_owned());
    }
    Ok(secret)
}
