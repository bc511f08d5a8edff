//! A file for `apply`: its documents, or everything that is wrong with it, each at a place inside the text. What is written
//! of it can be read, and is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // Files of this machine are none of its business.
    if text.contains("fromFile") {
        return;
    }
    let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    match cli::read::documents(text) {
        Ok(documents) => {
            let written = cli::read::yaml(&documents).expect("what was read can be written");
            let again =
                cli::read::documents(&written).unwrap_or_else(|problems| panic!("{problems:?}\n{written}"));
            assert_eq!(cli::read::yaml(&again).expect("as before"), written);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!((1..=lines + 1).contains(&problem.line), "{problem:?} of {lines}");
                assert!(problem.column >= 1, "{problem:?}");
                assert!(!problem.message.is_empty());
            }
        }
    }
});
