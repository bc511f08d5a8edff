//! A file for `import csv`, in whatever encoding: its rows, each on a line that there is, or why it can't be read. Reading is
//! repeatable.
#![no_main]

use std::cell::RefCell;
use std::io::Write;

use libfuzzer_sys::fuzz_target;

thread_local! {
    static PLACE: RefCell<std::path::PathBuf> = {
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        RefCell::new(folder.join(format!("rollcall-fuzz-{}.csv", std::process::id())))
    };
}

fuzz_target!(|bytes: &[u8]| {
    PLACE.with_borrow(|place| {
        std::fs::File::create(place)
            .and_then(|mut file| file.write_all(bytes))
            .expect("room for a small file");
        let read = cli::read::rows(place);
        assert_eq!(read, cli::read::rows(place));
        std::fs::remove_file(place).expect("it is ours");
        if let Ok((_, rows)) = read {
            let mut last = 0;
            for (line, cells) in rows {
                assert!(line >= 1 && line > last, "line {line} after {last}");
                assert!(line as usize <= bytes.len() + 1);
                assert!(!cells.is_empty());
                last = line;
            }
        }
    });
});
