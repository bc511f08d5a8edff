//! A plain text as HTML, for mail programs that prefer it. The text stays the original.

/// The text in paragraphs: blocks of indented lines keep their columns, lines that are a link become one.
pub(super) fn of_text(text: &str) -> String {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><body style=\"font-family: system-ui, sans-serif; line-height: 1.5\">\n",
    );
    for block in text
        .split("\n\n")
        .map(|block| block.trim_matches('\n'))
        .filter(|block| !block.is_empty())
    {
        let lines = || block.lines();
        if lines().all(|line| line.starts_with("  ")) {
            html.extend(["<pre style=\"font-size: 1em\">", &escape(block), "</pre>\n"]);
        } else {
            let lines = lines().map(line).collect::<Vec<_>>().join("<br>\n");
            html.extend(["<p>", &lines, "</p>\n"]);
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn line(text: &str) -> String {
    let escaped = escape(text);
    let is_link =
        (text.starts_with("https://") || text.starts_with("http://")) && !text.contains(char::is_whitespace);
    if is_link {
        format!("<a href=\"{escaped}\">{escaped}</a>")
    } else {
        escaped
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_the_text_stays_text() {
        let html = of_text("<script>alert('x')</script> & \"more\"\n");
        assert!(
            html.contains("<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;</p>"),
            "{html}"
        );
    }

    #[test]
    fn columns_stay_and_links_are_links() {
        let html = of_text("Done.\n\n  added   1\n  failed  0\n\nSee\nhttps://r.example/runs/1?a=1&b=2\n");
        assert!(
            html.contains("<pre style=\"font-size: 1em\">  added   1\n  failed  0</pre>"),
            "{html}"
        );
        let link = "See<br>\n<a href=\"https://r.example/runs/1?a=1&amp;b=2\">https://r.example/runs/1?a=1&amp;b=2</a>";
        assert!(html.contains(link), "{html}");
    }
}
