//! The chart as Helm renders it, by `chart.py` beside this file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use harness::tools::tool;
use serde_json::Value;

/// The services.
pub const SERVICES: [&str; 4] = ["api", "fetcher", "reconciler", "notifier"];

/// What each of the chart's own values files renders, by the file's name.
pub static RENDERED: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder().join("ci")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let objects = render(&name, "{}")
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .objects;
        all.insert(name, objects);
    }
    assert!(all.len() >= 5, "{:?}", all.keys());
    all
});

/// What Helm made of the chart.
pub struct Rendered {
    /// The objects, hooks included.
    pub objects: Vec<Value>,
    /// What it tells people afterwards.
    pub notes: String,
}

/// A pod, or the template of some.
pub struct Pod<'o> {
    /// What makes it, as `Deployment demo-rollcall-api`.
    pub owner: String,
    /// Of the pod.
    pub labels: &'o Value,
    /// Of the pod.
    pub spec: &'o Value,
}

/// The chart's folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("helm/rollcall")
}

/// One of the chart's own values files.
pub fn values_file(name: &str) -> PathBuf {
    folder().join("ci").join(name).with_extension("yaml")
}

/// Renders a values file with values on top, in YAML; or why Helm refused.
pub fn render(name: &str, over: &str) -> Result<Rendered, String> {
    let (chart, values) = (folder(), values_file(name));
    let args = ["render", chart.to_str().unwrap(), values.to_str().unwrap(), over];
    let answer: Value = serde_json::from_str(&ask(&args, "")).unwrap();
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    Ok(Rendered {
        objects: answer["objects"].as_array().unwrap().clone(),
        notes: answer["notes"].as_str().unwrap().to_owned(),
    })
}

/// What `chart.py` answers.
pub fn ask(args: &[&str], input: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/helm/chart.py");
    let mut child = Command::new(tool("python"))
        .arg(script)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "chart.py {args:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// The objects of a kind.
pub fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The one object of a kind and name.
pub fn object<'o>(objects: &'o [Value], kind: &str, name: &str) -> &'o Value {
    let mut found = of_kind(objects, kind)
        .into_iter()
        .filter(|object| object["metadata"]["name"] == name);
    let object = found
        .next()
        .unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(found.next().is_none(), "there are two {kind} {name}");
    object
}

/// How an object is called in messages.
pub fn title(object: &Value) -> String {
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// Every pod that the objects make.
pub fn pods(objects: &[Value]) -> Vec<Pod<'_>> {
    fn of(object: &Value) -> Option<Pod<'_>> {
        let pod = match text(&object["kind"]) {
            "Deployment" | "StatefulSet" | "Job" => &object["spec"]["template"],
            "Pod" => object,
            _ => return None,
        };
        Some(Pod {
            owner: title(object),
            labels: &pod["metadata"]["labels"],
            spec: &pod["spec"],
        })
    }
    objects.iter().filter_map(of).collect()
}

/// The pods of a component.
pub fn pod_of<'o>(objects: &'o [Value], component: &str) -> Pod<'o> {
    let mut found = pods(objects)
        .into_iter()
        .filter(|pod| component_of(pod.labels) == component);
    found
        .next()
        .unwrap_or_else(|| panic!("there are no pods of {component}"))
}

/// The component that labels tell.
pub fn component_of(labels: &Value) -> &str {
    text(&labels["app.kubernetes.io/component"])
}

/// The pods that `matchLabels` choose.
pub fn chosen<'o>(objects: &'o [Value], labels: &Value) -> Vec<Pod<'o>> {
    let wanted = labels.as_object().expect("a selector has labels");
    assert!(!wanted.is_empty(), "a selector without labels chooses everything");
    let fits = |pod: &Pod<'_>| wanted.iter().all(|(key, value)| pod.labels[key] == *value);
    pods(objects).into_iter().filter(fits).collect()
}

/// Text, or nothing where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A list, empty where there is none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
