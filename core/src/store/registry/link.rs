//! Links to the next page of a list ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288.html)).

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

use crate::trace::OrTrace;

/// Returns the URL of the page after `current`, from a header such as `Link: </v2/…>; rel="next"`.
///
/// Only path and query are taken from the link. Registries behind a proxy name themselves as the proxy knows them, and
/// the request for the page carries the credentials.
pub(super) fn next_page(headers: &HeaderMap, current: &Url) -> Option<Url> {
    let values = headers.get_all(LINK).iter();
    let values = values.filter_map(|value| value.to_str().or_trace("read the header `Link`"));
    let target = values.flat_map(links).find(|link| is_next(link.parameters))?.target;
    let target = current.join(target).or_trace("parse the URL of the next page")?;
    let mut next = current.clone();
    next.set_path(target.path());
    next.set_query(target.query());
    Some(next)
}

struct Link<'a> {
    target: &'a str,
    /// The text after the target, such as `; rel="next"`.
    parameters: &'a str,
}

/// Returns the links of one header, which are separated by commas.
fn links(header: &str) -> impl Iterator<Item = Link<'_>> {
    let mut rest = header;
    std::iter::from_fn(move || {
        let (_, link) = rest.split_once('<')?;
        let (target, after) = link.split_once('>')?;
        let (parameters, next) = split(after, ',');
        rest = next;
        Some(Link { target, parameters })
    })
}

/// Returns the text before and after the first `separator` outside of quotes.
fn split(text: &str, separator: char) -> (&str, &str) {
    let mut is_quoted = false;
    let is_end = |letter: char| {
        is_quoted ^= letter == '"';
        letter == separator && !is_quoted
    };
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, rest) = split(parameters.trim_start_matches(';'), ';');
        parameters = rest;
        let Some((name, value)) = parameter.split_once('=') else { continue };
        // The quotes are optional, and one link may have several relations.
        let mut relations = value.trim().trim_matches('"').split_whitespace();
        if name.trim().eq_ignore_ascii_case("rel")
            && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(headers: &[&str]) -> Option<String> {
        let headers = headers.iter().map(|text| (LINK, text.parse().unwrap())).collect();
        let current = Url::parse("https://r.io/v2/x/tags/list?n=1").unwrap();
        next_page(&headers, &current).map(|url| url.to_string())
    }

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let expected = Some("https://r.io/v2/x/tags/list?last=a".to_owned());
        for header in [
            r#"</v2/x/tags/list?last=a>; rel="next""#,
            "</v2/x/tags/list?last=a>;rel=next",
            r#"<?last=a>; REL="prev Next"; title="a, b""#,
            r#"</v2/x/tags/list>; rel="first", </v2/x/tags/list?last=a>; rel="next""#,
            r#"</first>; title="x, </y>; rel=next"; rel="first", </v2/x/tags/list?last=a>; rel="next""#,
            r#"<http://internal:8080/v2/x/tags/list?last=a>; rel="next""#,
            r#"<https://evil.com/v2/x/tags/list?last=a>; rel="next""#,
        ] {
            assert_eq!(next(&[header]), expected, "{header}");
        }
        assert_eq!(next(&["</a>; rel=first", "</v2/x/tags/list?last=a>; rel=next"]), expected);
    }

    #[test]
    fn the_last_page_has_none() {
        for header in [
            "",
            "next",
            "</a>",
            "</a",
            "</a>; rel=\"first\"",
            "</a>; rel=\"nextish\"",
            r#"</first>; rel="first", </v2/x/tags/list?last=a>; rel="last""#,
            r#"</a>; title="next""#,
        ] {
            assert_eq!(next(&[header]), None, "{header}");
        }
        assert_eq!(next(&[]), None);
    }
}
