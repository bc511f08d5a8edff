//! A file for `import csv`, in whatever encoding: its rows, each on a line that there is, or why it can't be read. Reading is
//! repeatable.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// In memory, where the machine lets files be there.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("rollcall-fuzz-{}.csv", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    fs::write(&*PLACE, bytes).expect("room for a small file");
    let read = cli::read::rows(&PLACE);
    assert_eq!(read, cli::read::rows(&PLACE));
    fs::remove_file(&*PLACE).expect("it is ours");
    let Ok((_, rows)) = read else { return };
    let mut last = 0;
    for (line, cells) in rows {
        assert!(line > last, "line {line} after {last}");
        assert!(line as usize <= bytes.len() + 1);
        assert!(!cells.is_empty());
        last = line;
    }
});
