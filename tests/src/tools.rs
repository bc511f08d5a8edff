//! The programs that check what is deployed, from `target/tools`.

use std::path::{Path, PathBuf};

/// A program that `deploy/install-tools.sh` installs.
pub fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace is above the tests")
        .join("target/tools/bin")
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: run deploy/install-tools.sh, as make test does",
        path.display()
    );
    path
}
