//! Whether a listing has come to its end (B3, design §6 "Reading"): without that proof nobody is gone.

/// What is known of a listing whose last page had no next link, with every link followed once and every page numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Users that came, repeats between neighbouring pages aside.
    pub listed: u64,
    /// `$count` before; none where Graph does not count.
    pub before: Option<u64>,
    /// `$count` after.
    pub after: Option<u64>,
}

/// Why the end of a listing is not proved, in words; `None`: it is.
///
/// `$count` reads an index that lags a little, and people come and go meanwhile: what changed between both counts, and
/// one in a hundred on top, may be missing.
pub fn doubt(listing: Listing) -> Option<String> {
    let Listing {
        listed,
        before,
        after,
    } = listing;
    if listed == 0 {
        return Some("the listing has nobody in it, which proves nothing".to_owned());
    }
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (Some(only), None) | (None, Some(only)) => (only, only),
        (None, None) => return None,
    };
    let counted = before.min(after);
    let slack = before.abs_diff(after) + (counted / 100).max(1);
    if listed + slack >= counted {
        return None;
    }
    Some(format!(
        "the listing ended after {listed} users, but the directory counts {counted}; at most {slack} may be missing"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved(listed: u64, before: Option<u64>, after: Option<u64>) -> bool {
        doubt(Listing {
            listed,
            before,
            after,
        })
        .is_none()
    }

    #[test]
    fn an_empty_listing_proves_nothing() {
        assert!(!proved(0, Some(0), Some(0)));
        assert!(!proved(0, None, None));
    }

    #[test]
    fn without_counts_the_last_page_is_the_proof() {
        assert!(proved(1, None, None));
    }

    #[test]
    fn one_in_a_hundred_may_be_missing_and_at_least_one() {
        assert!(proved(9_900, Some(10_000), Some(10_000)));
        assert!(!proved(9_899, Some(10_000), Some(10_000)));
        assert!(proved(2, Some(3), Some(3)));
        assert!(!proved(1, Some(3), Some(3)));
        assert!(proved(990, Some(1_000), None) && !proved(989, None, Some(1_000)));
    }

    #[test]
    fn what_changed_meanwhile_may_be_missing_too() {
        assert!(proved(931, Some(1_000), Some(970)));
        assert!(!proved(931, Some(970), Some(970)));
        assert!(
            proved(2_000, Some(1_000), Some(1_000)),
            "more than counted is no loss"
        );
    }

    #[test]
    fn the_doubt_is_told_in_numbers() {
        let doubt = doubt(Listing {
            listed: 500,
            before: Some(1_000),
            after: Some(1_000),
        })
        .unwrap();
        assert!(doubt.contains("500 users") && doubt.contains("1000"), "{doubt}");
    }
}
