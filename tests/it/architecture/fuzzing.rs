//! The fuzz targets are a workspace of their own, which no build of the rest touches: here they are held against it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{assert_none, files, read, root};

/// Packages that the fuzz targets alone use. They run on a developer's machine and in CI, and are shipped with nothing.
const OWN: [&str; 3] = ["arbitrary", "libfuzzer-sys", "rollcall-fuzz"];

/// The packages of a lock file with their versions.
fn locked(file: &str) -> BTreeSet<(String, String)> {
    let text = read(&root().join(file));
    let value = |line: Option<&str>, key: &str| {
        let quoted = line.and_then(|line| line.strip_prefix(key));
        quoted.map(|quoted| quoted.trim_matches(['=', ' ', '"']).to_owned())
    };
    let packages = text.split("[[package]]").skip(1).filter_map(|package| {
        let mut lines = package.trim_start().lines();
        Some((value(lines.next(), "name")?, value(lines.next(), "version")?))
    });
    packages.collect()
}

#[test]
fn fuzz_targets_are_built_from_the_packages_that_are_checked() {
    let checked = locked("Cargo.lock");
    let fuzzed = locked("fuzz/Cargo.lock");
    assert!(checked.len() > 100 && fuzzed.len() > 100);
    let others = fuzzed
        .difference(&checked)
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, version)| format!("{name} {version}"))
        .collect::<Vec<_>>();
    assert_none(
        &others,
        "fuzz/Cargo.lock is not in step (cargo update --manifest-path fuzz/Cargo.toml --precise …):",
    );
}

#[test]
fn every_fuzz_target_is_built_has_seeds_and_is_described() {
    let manifest = read(&root().join("fuzz/Cargo.toml"));
    let readme = read(&root().join("fuzz/README.md"));
    let targets = files(&root().join("fuzz/fuzz_targets"), "rs");
    assert!(targets.len() >= 7, "{targets:?}");
    let mut findings = Vec::new();
    for target in targets {
        let name = target.file_stem().unwrap().to_string_lossy().into_owned();
        let seeds = root().join("fuzz/seeds").join(&name);
        let has_seeds = |folder: &Path| std::fs::read_dir(folder).is_ok_and(|mut all| all.next().is_some());
        for (is_there, what) in [
            (
                manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")),
                "is not in Cargo.toml",
            ),
            (has_seeds(&seeds), "has no seeds"),
            (
                readme.contains(&format!("| [{name}](fuzz_targets/{name}.rs) |")),
                "is not in the README",
            ),
        ] {
            if !is_there {
                findings.push(format!("{name} {what}"));
            }
        }
    }
    assert_none(&findings, "a fuzz target");
}
