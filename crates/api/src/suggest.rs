//! "Did you mean …?"

/// `; did you mean "jobTitle"?` when one of `known` is close to `given`, else nothing.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |word: &str| -> String {
        word.chars()
            .filter(|c| !matches!(c, '_' | '-' | ' '))
            .flat_map(char::to_lowercase)
            .collect()
    };
    // Comparing costs the product of the lengths; nobody mistypes a name at this length.
    if given.chars().count() > 64 {
        return String::new();
    }
    let given = plain(given);
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&given, &plain(word)), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| format!("; did you mean \"{word}\"?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_not() {
        let known = ["jobTitle", "login", "name"];
        assert_eq!(did_you_mean("job_titel", known), "; did you mean \"jobTitle\"?");
        assert_eq!(did_you_mean("logn", known), "; did you mean \"login\"?");
        assert_eq!(did_you_mean("shoeSize", known), "");
        assert_eq!(did_you_mean(&"x".repeat(10_000), known), "");
    }
}
