//! The Dockerfile, read: what it copies, builds and ships.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use harness::tools::tool;
use serde_json::Value;

use super::{PROGRAM, SERVICES, USER, path, read, workspace};

const DOCKERFILE: &str = "deploy/Dockerfile";

/// One instruction, its continued lines joined.
#[derive(Debug)]
struct Instruction {
    word: String,
    rest: String,
}

/// The instructions, stage by stage; each stage begins with its FROM.
fn stages() -> Vec<Vec<Instruction>> {
    let text = read(DOCKERFILE);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let mut stages: Vec<Vec<Instruction>> = Vec::new();
    for line in lines.join("\n").replace("\\\n", " ").lines() {
        let Some((word, rest)) = line.trim().split_once(' ') else {
            continue;
        };
        if word == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push(Instruction {
            word: word.to_owned(),
            rest: rest.split_whitespace().collect::<Vec<_>>().join(" "),
        });
    }
    assert_eq!(stages.len(), 2, "one stage builds, the other ships: {stages:?}");
    stages
}

fn words(stage: &[Instruction]) -> BTreeSet<&str> {
    stage
        .iter()
        .map(|instruction| instruction.word.as_str())
        .collect()
}

fn of<'a>(stage: &'a [Instruction], word: &str) -> Vec<&'a str> {
    stage
        .iter()
        .filter(|instruction| instruction.word == word)
        .map(|instruction| instruction.rest.as_str())
        .collect()
}

/// What the first stage copies out of the workspace.
fn copied() -> Vec<PathBuf> {
    let stages = stages();
    let mut found = Vec::new();
    for copy in of(&stages[0], "COPY") {
        let words: Vec<&str> = copy.split(' ').collect();
        let (_, sources) = words.split_last().unwrap();
        found.extend(sources.iter().map(PathBuf::from));
    }
    assert!(found.len() > 4, "{found:?}");
    found
}

/// What `.dockerignore` lets through: it turns everything away and then names what may pass.
fn let_through() -> Vec<PathBuf> {
    let text = read(".dockerignore");
    let mut rules = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"), "nothing passes that is not named");
    rules
        .map(|rule| PathBuf::from(rule.strip_prefix('!').unwrap()))
        .collect()
}

/// The path without its dots, below the workspace; `None` elsewhere.
fn within(text: &str) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain.strip_prefix(workspace()).ok().map(Path::to_path_buf)
}

/// Every file of the workspace that went into the program, as the compiler wrote it down beside it.
fn sources() -> BTreeSet<PathBuf> {
    let built = local::binaries::find(PROGRAM).unwrap().with_extension("d");
    let text = std::fs::read_to_string(&built)
        .unwrap_or_else(|error| panic!("{}: cargo writes it with the program: {error}", built.display()));
    let (_, sources) = text.split_once(": ").unwrap();
    let sources = sources.split_whitespace().filter_map(within);
    // What a build script has made of other sources lies there.
    sources.filter(|source| !source.starts_with("target")).collect()
}

#[test]
fn hadolint_finds_nothing() {
    let output = Command::new(tool("hadolint"))
        .args(["--no-color", "--failure-threshold", "style"])
        .arg(path(DOCKERFILE))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
    assert!(!read(DOCKERFILE).contains("hadolint ignore"));
    assert!(!path(".hadolint.yaml").exists());
}

#[test]
fn what_is_copied_is_there_and_passes_the_ignore_file() {
    let passing = let_through();
    for source in copied() {
        assert!(workspace().join(&source).exists(), "{}", source.display());
        assert!(
            passing.iter().any(|passed| source.starts_with(passed)),
            "{} is turned away",
            source.display()
        );
    }
    for passed in passing {
        assert!(
            copied().contains(&passed),
            "{} is let in for nothing",
            passed.display()
        );
    }
}

#[test]
fn everything_that_the_program_is_built_from_is_copied() {
    let (copied, sources) = (copied(), sources());
    assert!(sources.len() > 200, "{sources:?}");
    let missing: Vec<_> = sources
        .iter()
        .filter(|source| !copied.iter().any(|copied| source.starts_with(copied)))
        .collect();
    assert!(missing.is_empty(), "not copied into the build: {missing:#?}");
}

#[test]
fn cargo_understands_the_workspace_as_it_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    for source in copied() {
        let to = folder.path().join(&source);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(workspace().join(&source), to).unwrap();
    }
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--no-deps",
            "--format-version=1",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The packages that `deploy/build-binaries.sh` builds, and the programs that cargo makes of them.
fn built() -> BTreeSet<String> {
    let script = read("deploy/build-binaries.sh");
    let packages: Vec<&str> = script
        .split_whitespace()
        .skip_while(|word| *word != "cargo")
        .collect::<Vec<_>>()
        .windows(2)
        .filter(|pair| pair[0] == "--package")
        .map(|pair| pair[1])
        .collect();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--no-deps",
            "--format-version=1",
        ])
        .current_dir(workspace())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let known = metadata["packages"].as_array().unwrap();
    let mut programs = BTreeSet::new();
    for package in packages {
        let package = known
            .iter()
            .find(|known| known["name"] == package)
            .unwrap_or_else(|| panic!("there is no package {package}"));
        let targets = package["targets"].as_array().unwrap();
        let bins = targets.iter().filter(|target| target["kind"][0] == "bin");
        programs.extend(bins.map(|target| target["name"].as_str().unwrap().to_owned()));
    }
    programs
}

#[test]
fn the_services_and_the_command_line_are_shipped_and_nothing_else() {
    let stages = stages();
    let run = of(&stages[0], "RUN").join(" ");
    assert!(run.contains("deploy/build-binaries.sh"), "{run}");
    assert_eq!(built(), [PROGRAM.to_owned()].into());
    let installed = "install -D target/image/rollcall-image /out/usr/local/bin/rollcall &&";
    assert!(run.contains(installed), "the chart looks for it there: {run}");
    let (names, rest) = run
        .split_once("for service in ")
        .unwrap()
        .1
        .split_once("; do ")
        .unwrap();
    assert!(
        rest.starts_with("ln -s rollcall \"/out/usr/local/bin/rollcall-$service\"; done"),
        "{rest}"
    );
    assert_eq!(names.split(' ').collect::<BTreeSet<_>>(), SERVICES.into());
    assert!(run.contains("libgcc_s.so.1"), "{run}");
    assert_eq!(run.matches("/out/").count(), 3, "nothing else is shipped: {run}");
    assert_eq!(of(&stages[1], "COPY"), ["--from=build /out/ /"]);
}

#[test]
fn the_build_is_the_one_that_is_locked_and_optimized_for_the_image() {
    let script = read("deploy/build-binaries.sh");
    assert!(
        script.contains("cargo build --locked --profile image"),
        "{script}"
    );
    let manifest = read("Cargo.toml");
    let profile = manifest.split("[profile.image]").nth(1).unwrap();
    let profile: BTreeSet<&str> = profile
        .lines()
        .take_while(|line| !line.starts_with('['))
        .collect();
    for setting in [
        "inherits = \"release\"",
        "strip = \"symbols\"",
        "codegen-units = 1",
    ] {
        assert!(profile.contains(setting), "{setting}: {profile:?}");
    }
    // The chassis catches the panics of tasks, and optimizing for size would cost the speed that is promised.
    assert!(
        !profile
            .iter()
            .any(|line| line.starts_with("panic") || line.starts_with("opt-level"))
    );
}

#[test]
fn what_is_shipped_has_no_shell_no_root_and_no_program_of_its_own_choice() {
    let stages = stages();
    let [build, shipped] = stages.as_slice() else {
        unreachable!("there are two")
    };
    let (build_base, base) = (of(build, "FROM")[0], of(shipped, "FROM")[0]);
    assert!(
        build_base.contains("-bookworm ") && base.contains("-debian12:"),
        "built against the C library that it runs with: {build_base}, {base}"
    );
    for base in [build_base, base] {
        let image = base.split(' ').next().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{image}");
    }
    assert!(base.ends_with("distroless/base-nossl-debian12:nonroot"), "{base}");
    assert_eq!(of(shipped, "USER"), [format!("{USER}:{USER}")]);
    let known = BTreeSet::from(["FROM", "ARG", "LABEL", "COPY", "USER", "EXPOSE"]);
    assert!(words(shipped).is_subset(&known), "{:?}", words(shipped));
    assert_eq!(of(shipped, "EXPOSE"), ["7400 8080 9464"]);
    let labels = of(shipped, "LABEL")[0];
    for label in [
        "title",
        "description",
        "licenses",
        "version=\"$VERSION\"",
        "revision=\"$REVISION\"",
    ] {
        assert!(
            labels.contains(&format!("org.opencontainers.image.{label}")),
            "{label}: {labels}"
        );
    }
}
