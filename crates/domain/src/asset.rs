//! Assets of the register, and who holds them (B6).

/// Where an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Nobody holds it.
    InStock = 1,
    /// Somebody holds it.
    InUse = 2,
    /// It is not used any more.
    Retired = 3,
}

/// What someone holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many in all.
    pub count: u32,
    /// The first of them, as people call them.
    pub first: Vec<String>,
}

/// As many are named in a sentence.
const NAMED: usize = 5;

impl Status {
    /// The status of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [Self::InStock, Self::InUse, Self::Retired]
            .into_iter()
            .find(|status| *status as i16 == number)
    }
}

impl Held {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// `still holds 2 assets: Laptop 7 (T-1), Phone`.
    #[must_use]
    pub fn told(&self) -> String {
        let noun = if self.count == 1 { "asset" } else { "assets" };
        let named = &self.first[..self.first.len().min(NAMED)];
        let more = (self.count as usize).saturating_sub(named.len());
        let mut text = format!("still holds {} {noun}", self.count);
        if !named.is_empty() {
            text.push_str(": ");
            text.push_str(&named.join(", "));
        }
        if more > 0 && !named.is_empty() {
            text.push_str(" and ");
            text.push_str(&more.to_string());
            text.push_str(" more");
        }
        text
    }
}

/// How people call an asset: its name, with its tag where it has one.
#[must_use]
pub fn label(name: &str, tag: Option<&str>) -> String {
    match tag {
        Some(tag) if !tag.is_empty() => format!("{name} ({tag})"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_named_up_to_five() {
        let held = |count: u32| Held {
            count,
            first: (1..=count.min(7)).map(|number| format!("A{number}")).collect(),
        };
        assert_eq!(held(1).told(), "still holds 1 asset: A1");
        assert_eq!(held(2).told(), "still holds 2 assets: A1, A2");
        assert_eq!(
            held(9).told(),
            "still holds 9 assets: A1, A2, A3, A4, A5 and 4 more"
        );
        assert!(Held::default().is_empty());
    }

    #[test]
    fn an_asset_is_called_by_name_and_tag() {
        assert_eq!(label("Laptop", Some("T-1")), "Laptop (T-1)");
        assert_eq!(label("Laptop", None), "Laptop");
        assert_eq!(label("Laptop", Some("")), "Laptop");
    }
}
