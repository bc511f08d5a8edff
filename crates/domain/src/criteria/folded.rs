//! Comparing with text that is folded already, letter case aside: everyone is asked by every clause, so that nothing is
//! allocated for what is plain ASCII, as nearly everything is.

use crate::account::fold;

/// Bytes of a text up to which looking at every place in it is the quicker way.
const SHORT: usize = 256;

/// Whether the text is this one.
pub fn is(text: &str, folded: &str) -> bool {
    if text.is_ascii() {
        text.eq_ignore_ascii_case(folded)
    } else {
        fold(text) == folded
    }
}

/// Whether the text begins with this.
pub fn begins(text: &str, folded: &str) -> bool {
    if text.is_ascii() {
        let head = text.as_bytes().get(..folded.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(folded.as_bytes()))
    } else {
        fold(text).starts_with(folded)
    }
}

/// Whether the text ends with this.
pub fn ends(text: &str, folded: &str) -> bool {
    if text.is_ascii() {
        let from = text.len().checked_sub(folded.len());
        from.is_some_and(|from| text.as_bytes()[from..].eq_ignore_ascii_case(folded.as_bytes()))
    } else {
        fold(text).ends_with(folded)
    }
}

/// Whether this, which is not empty, is a part of the text.
pub fn holds(text: &str, folded: &str) -> bool {
    if text.is_ascii() && text.len() <= SHORT {
        let mut places = text.as_bytes().windows(folded.len().max(1));
        places.any(|place| place.eq_ignore_ascii_case(folded.as_bytes()))
    } else {
        fold(text).contains(folded)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn f2_nothing_is_folded_and_yet_compared_as_if(
            // The Kelvin sign is a letter that folds to an ASCII one, and İ to two characters.
            text in "[aAbBkK\u{212a}ßİ]{0,6}", part in "[aAbBkK\u{212a}ßİ]{1,3}", long in any::<bool>(),
        ) {
            let text = if long { text.repeat(60) } else { text };
            let (folded, part) = (fold(&text), fold(&part));
            prop_assert_eq!(is(&text, &folded), true);
            prop_assert_eq!(is(&text, &part), folded == part);
            prop_assert_eq!(begins(&text, &part), folded.starts_with(&part));
            prop_assert_eq!(ends(&text, &part), folded.ends_with(&part));
            prop_assert_eq!(holds(&text, &part), folded.contains(&part));
        }
    }
}
