//! When a request that failed is made again.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often and when a request is made again that failed for a reason that may pass: 408, 429, 500, 502, 503 or 504,
/// a connection that broke or stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often it is made in all. 1 is never again.
    pub tries: u32,
    /// The wait after the first time; doubled each time. The real one is some part of its second half, so that those
    /// who failed together don't come back together.
    pub first_wait: Duration,
    /// The longest such wait.
    pub longest_wait: Duration,
    /// The longest that a registry may ask us to wait
    /// ([RFC 9110, Retry-After](https://www.rfc-editor.org/rfc/rfc9110.html#name-retry-after)). When it wants more,
    /// that is the error.
    pub patience: Duration,
}

impl Default for Retry {
    /// 5 tries, half a second, doubled to at most 30 s; up to two minutes when the registry asks for it.
    fn default() -> Retry {
        Retry {
            tries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            patience: Duration::from_secs(120),
        }
    }
}

impl Retry {
    /// How long to wait before the next try when so many were made and the registry `asked` for some time. `None` when
    /// there is no next one.
    pub(super) fn wait(&self, made: u32, asked: Option<Duration>) -> Option<Duration> {
        if made >= self.tries || asked.is_some_and(|asked| asked > self.patience) {
            return None;
        }
        let doubled = 2_u32.checked_pow(made.saturating_sub(1));
        let wait = doubled.and_then(|factor| self.first_wait.checked_mul(factor));
        let wait = wait.map_or(self.longest_wait, |wait| wait.min(self.longest_wait));
        // What it asked for is the least.
        Some(wait.mul_f64(0.5 + fastrand::f64() / 2.0).max(asked.unwrap_or_default()))
    }
}

/// How long an answer asks to wait: a number of seconds, or a date.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())])
    }

    #[test]
    fn waits_grow_to_a_limit_and_end() {
        let retry = Retry::default();
        for (made, longest) in [(1, 500), (2, 1_000), (3, 2_000), (4, 4_000)] {
            let longest = Duration::from_millis(longest);
            for _ in 0..50 {
                let wait = retry.wait(made, None).unwrap();
                assert!(wait >= longest / 2 && wait <= longest, "{made}: {wait:?}");
            }
        }
        assert_eq!(retry.wait(5, None), None);
        let many = Retry { tries: u32::MAX, ..retry };
        assert!(many.wait(4_000, None).unwrap() <= many.longest_wait);
    }

    #[test]
    fn what_the_registry_asks_for_is_waited_for_or_too_long() {
        let retry = Retry::default();
        assert!(retry.wait(1, Some(Duration::from_secs(7))).unwrap() >= Duration::from_secs(7));
        assert_eq!(retry.wait(1, Some(Duration::from_secs(3_600))), None);
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(asked(&headers("120")), Some(Duration::from_secs(120)));
        assert_eq!(asked(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(asked(&headers(&soon)).is_some_and(|wait| wait > Duration::from_secs(90)));
        assert_eq!(asked(&headers("soon")), None);
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
