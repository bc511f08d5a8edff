//! Reads a list page by page.

use crate::failure::Failure;

/// How many records a page of a list has.
const PAGE: u32 = 500;

/// At most `limit` records, and the token of the next page when that cut the list short.
pub async fn read<T>(
    limit: Option<u32>,
    mut fetch: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), Failure>,
) -> Result<(Vec<T>, String), Failure> {
    let mut items: Vec<T> = Vec::new();
    let mut token = String::new();
    loop {
        let room = limit.map(|limit| limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX)));
        let size = room.unwrap_or(PAGE).min(PAGE);
        if size == 0 {
            return Ok((items, token));
        }
        let (page, next) = fetch(i32::try_from(size).unwrap_or(i32::MAX), token.clone()).await?;
        items.extend(page);
        if next.is_empty() {
            return Ok((items, next));
        }
        if next == token {
            return Err(Failure::Refused(
                "api gave the same page twice; the list can't be read on".to_owned(),
            ));
        }
        token = next;
    }
}

/// Says on standard error that a list goes on.
pub fn say_if_cut(next: &str, shown: usize) {
    if !next.is_empty() {
        eprintln!("The first {shown}; there are more: raise --limit.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn numbers(limit: Option<u32>, total: usize) -> (usize, String) {
        let (items, next) = read(limit, async |size, token: String| {
            let from = if token.is_empty() {
                0
            } else {
                token.parse::<usize>().unwrap()
            };
            let to = (from + usize::try_from(size).unwrap()).min(total);
            let next = if to == total {
                String::new()
            } else {
                to.to_string()
            };
            Ok(((from..to).collect::<Vec<_>>(), next))
        })
        .await
        .unwrap();
        assert!(items.iter().copied().eq(0..items.len()));
        (items.len(), next)
    }

    #[tokio::test]
    async fn all_pages_or_up_to_the_limit() {
        assert_eq!(numbers(None, 1_234).await, (1_234, String::new()));
        assert_eq!(numbers(Some(700), 1_234).await, (700, "700".to_owned()));
        assert_eq!(numbers(Some(2_000), 1_234).await, (1_234, String::new()));
        assert_eq!(numbers(None, 0).await, (0, String::new()));
    }

    #[tokio::test]
    async fn a_list_that_turns_in_a_circle_ends() {
        let circle = read(None, async |_, _| Ok((vec![1], "again".to_owned()))).await;
        assert!(matches!(circle, Err(Failure::Refused(_))));
    }
}
