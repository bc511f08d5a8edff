//! What the container image is made of, that it starts from an empty root, and what runs it with Compose.

mod compose;
mod compose_file;
mod dockerfile;
mod empty_root;
mod started;

use std::path::{Path, PathBuf};

/// The services, by their names in the compose file.
const SERVICES: [&str; 4] = ["api", "fetcher", "notifier", "reconciler"];

/// The one program of the image, as cargo calls it.
const PROGRAM: &str = "rollcall-image";

/// The names by which it is called there.
const PROGRAMS: [&str; 5] = [
    "rollcall",
    "rollcall-api",
    "rollcall-fetcher",
    "rollcall-notifier",
    "rollcall-reconciler",
];

/// Who runs them in the image.
const USER: &str = "65532";

/// The workspace's root.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn path(name: &str) -> PathBuf {
    workspace().join(name)
}

fn read(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
