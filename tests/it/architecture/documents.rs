//! What is written about the code stays true: links, crate descriptions, subjects.

use std::collections::BTreeSet;
use std::path::Path;

use super::{assert_none, crates, files, read, root, shown};

const DOC: &str = "#![doc = include_str!(\"../README.md\")]";

/// The targets of Markdown links, code blocks and spans left out.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            found.push(target);
            rest = after;
        }
    }
    found
}

/// The anchors of a page's headings, as they are made on the web: lower case, no punctuation, dashes for spaces.
fn headings(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let heading = line.trim_start_matches('#');
        if in_code || !line.starts_with('#') || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        });
        found.insert(kept.collect());
    }
    found
}

#[test]
fn every_link_in_a_readme_or_document_leads_somewhere() {
    let mut pages = vec![root().join("README.md")];
    for folder in crates() {
        pages.push(folder.join("README.md"));
    }
    for folder in ["tests", "proto", "deploy", "docs", "helm", "fuzz"] {
        pages.extend(files(&root().join(folder), "md"));
    }
    let mut findings = Vec::new();
    let mut count = 0;
    for page in pages {
        let text = read(&page);
        for link in links(&text) {
            let (target, heading) = link.split_once('#').unwrap_or((link, ""));
            if target.contains("://") {
                continue;
            }
            count += 1;
            let folder = page.parent().unwrap_or_else(|| Path::new("/"));
            let there = match target {
                "" => page.clone(),
                _ => folder.join(target),
            };
            let is_there =
                there.exists() && (heading.is_empty() || headings(&read(&there)).contains(heading));
            if !is_there {
                findings.push(format!("{} → {link}", shown(&page)));
            }
        }
    }
    assert!(count > 50, "only {count} links were found");
    assert_none(&findings, "a page links to what is not there:");
}

#[test]
fn every_crate_has_a_readme_that_is_its_documentation_and_says_what_it_must_not_know() {
    let mut findings = Vec::new();
    for folder in crates() {
        let text = read(&folder.join("README.md"));
        if !text.lines().any(|line| line.starts_with("**Invariant")) {
            findings.push(format!("{} has no Invariant", shown(&folder)));
        }
        let top = ["src/lib.rs", "src/main.rs"]
            .into_iter()
            .map(|name| folder.join(name))
            .filter(|file| file.exists())
            .any(|file| read(&file).starts_with(DOC));
        if !top {
            findings.push(format!("{} has another crate documentation", shown(&folder)));
        }
    }
    assert_none(&findings, "a crate's README is its documentation:");
}

#[test]
fn the_readme_names_every_crate_and_no_other() {
    let readme = read(&root().join("README.md"));
    let named: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ["))
        .filter_map(|line| line.split_once("](crates/"))
        .filter_map(|(name, rest)| rest.starts_with(&format!("{name}) ")).then_some(name))
        .collect();
    let mut present: Vec<String> = crates()
        .iter()
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect();
    let mut named: Vec<String> = named.into_iter().map(str::to_owned).collect();
    present.sort();
    named.sort();
    assert_eq!(named, present);
}

#[test]
fn every_subject_is_in_the_bus_readme() {
    let readme = read(&root().join("crates/bus/README.md"));
    for subject in bus::subjects::ALL {
        assert!(
            readme.contains(&format!("| `{subject}.<")),
            "{subject} is missing"
        );
    }
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let readme = read(&root().join("README.md"));
    let first = readme.split("```").nth(1).unwrap_or_default();
    for command in ["make run", "make test"] {
        assert!(first.contains(command), "{command} is not in the first block");
    }
    assert!(read(&root().join(".ci/run")).contains("make ci"));
}

#[test]
fn links_are_found_where_they_are() {
    let text = "see [a](b.rs), [c](d/e.md#f)\n```\n[not](this)\n```\n| [g](h) |";
    assert_eq!(links(text), ["b.rs", "d/e.md#f", "h"]);
    let text = "# A, b & c\n```sh\n# not this\n```\n## The `key`\n#no\n";
    assert!(headings(text).iter().eq(["a-b--c", "the-key"]));
}
