//! "Did you mean …?"

use strsim::damerau_levenshtein;

/// `; did you mean "fields"?` when one of `known` is close to `given`, else nothing.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match closest(given, known) {
        Some(word) => format!("; did you mean \"{word}\"?"),
        None => String::new(),
    }
}

/// The word nearest to `given`, letter case and separators aside, if it is near enough to be meant.
fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = plain(given);
    known
        .into_iter()
        .map(|word| (damerau_levenshtein(&given, &plain(word)), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_not() {
        let known = ["fields", "connection", "name"];
        assert_eq!(did_you_mean("feilds", known), "; did you mean \"fields\"?");
        assert_eq!(
            did_you_mean("Con_nection", known),
            "; did you mean \"connection\"?"
        );
        assert_eq!(did_you_mean("schedule", known), "");
    }
}
