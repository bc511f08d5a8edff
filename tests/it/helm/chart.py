"""What Helm itself and Kubernetes' own schemas say of the chart, as JSON for the tests beside this file.

    chart.py lint CHART VALUES            what helm lint --strict finds
    chart.py render CHART VALUES [YAML]   the objects that helm install makes, hooks included, with these values on top;
                                          or the error
    chart.py values FILE                  a YAML file as JSON
    chart.py table FILE                   the chart's values.yaml as the table of its README
    chart.py validate VERSION…            objects on standard input: what the schemas of these versions find, strictly,
                                          and the kinds that they do not know
"""

import json
import re
import sys

import helm_python as helm
import kubernetes_validate
import yaml

RELEASE, NAMESPACE = "demo", "identity"


def values_of(path, over=None):
    with open(path, encoding="utf-8") as file:
        values = yaml.safe_load(file) or {}
    return merge(values, over or {})


def merge(under, over):
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        under[key] = merge(under[key], value) if both else value
    return under


def lint(chart, path):
    report = helm.lint(chart, values_of(path), strict=True)
    return [message["error"] for message in report["messages"]] + report["errors"]


def render(chart, path, over="{}"):
    try:
        with helm.Chart.load(chart) as loaded:
            values = values_of(path, yaml.safe_load(over))
            # As an install does; rendering alone passes over the schema.
            loaded.validate_schema(values)
            files = loaded.render(values, name=RELEASE, namespace=NAMESPACE)
    except helm.HelmError as error:
        return {"error": str(error)}
    notes, objects = "", []
    for name, text in sorted(files.items()):
        if name.endswith("NOTES.txt"):
            notes = text
        else:
            objects += [one for one in yaml.safe_load_all(text) if one]
    return {"objects": objects, "notes": notes}


def validate(*versions):
    findings, unknown = [], set()
    for one in json.load(sys.stdin):
        for version in versions:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                unknown.add(f"{one['apiVersion']} {one['kind']}")
            except kubernetes_validate.ValidationError as error:
                where = ".".join(map(str, error.path))
                findings.append(f"{version} {one['kind']} {one['metadata']['name']}: {where}: {error.message}")
    return {"findings": findings, "unknown": sorted(unknown)}


def table(path):
    """A row for each value that has a comment right above it, and holds no other such value."""
    values, found, above, parents = values_of(path), [], [], []
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        key = re.match(r"( *)(\w+):", line)
        if line.strip().startswith("#"):
            above.append(line.strip("# "))
        elif key:
            parents = parents[: len(key[1]) // 2] + [key[2]]
            if above:
                found.append((list(parents), " ".join(above)))
            above = []
        else:
            above = []
    rows = ["| value | default | |", "| --- | --- | --- |"]
    for at, text in found:
        if any(other != at and other[: len(at)] == at for other, _ in found):
            continue
        value = values
        for key in at:
            value = value[key]
        shown = json.dumps(value, ensure_ascii=False)
        rows.append(f"| `{'.'.join(at)}` | `{shown}` | {text.replace('|', '&#124;')} |")
    return "\n".join(rows) + "\n"


COMMANDS = {"lint": lint, "render": render, "values": values_of, "table": table, "validate": validate}

if __name__ == "__main__":
    answer = COMMANDS[sys.argv[1]](*sys.argv[2:])
    sys.stdout.write(answer if isinstance(answer, str) else json.dumps(answer))
