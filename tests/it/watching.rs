//! Dashboards and alerts are made of what really arrives.

mod alerts;
mod arriving;
mod commands;
mod dashboards;
mod monitoring;
mod promql;

use std::path::{Path, PathBuf};

/// A path below the workspace's root.
fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(of)
}

/// A file of the workspace.
fn read(of: &str) -> String {
    std::fs::read_to_string(path(of)).unwrap_or_else(|error| panic!("{of}: {error}"))
}

const RULES: &str = "deploy/alerts/rollcall.yaml";
const RUNBOOK: &str = "docs/runbook.md";
