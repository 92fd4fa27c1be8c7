//! Retries of failed requests: how many, and how long to wait before each.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::super::Error;
use crate::trace::OrTrace;

/// Retry policy for transient failures: the statuses 408, 429, 500, 502, 503 and 504, and connections that broke or
/// stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Number of attempts in all; 1 disables retries.
    pub max_attempts: u32,
    /// Backoff before the second attempt; it doubles with each further attempt. The actual wait is random, between half
    /// of the backoff and all of it.
    pub initial_backoff: Duration,
    /// Upper limit of the doubled backoff.
    pub max_backoff: Duration,
    /// Longest `Retry-After` that we obey
    /// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110.html#name-retry-after)). A longer one ends the operation
    /// with an error.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// 5 attempts, a backoff of 0.5 s that doubles up to 30 s, and at most 2 minutes for `Retry-After`.
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// Returns how long to wait after this many attempts, or `None` if there should be no further one.
    pub(super) fn backoff(&self, attempts: u32, retry_after: Option<Duration>) -> Option<Duration> {
        let retry_after = retry_after.unwrap_or_default();
        if attempts >= self.max_attempts || retry_after > self.max_retry_after {
            return None;
        }
        let factor = 2_u32.checked_pow(attempts.saturating_sub(1));
        let backoff = factor.and_then(|factor| self.initial_backoff.checked_mul(factor));
        let backoff = backoff.map_or(self.max_backoff, |backoff| backoff.min(self.max_backoff));
        // Random, so that clients that failed together do not return together, and never earlier than the registry asks.
        Some(backoff.mul_f64(0.5 + fastrand::f64() / 2.0).max(retry_after))
    }
}

/// Retry of a failed operation.
#[derive(Debug)]
pub struct RetryEvent {
    /// Error of the last attempt.
    pub error: Error,
    /// Wait before the next attempt.
    pub wait: Duration,
    /// Number of the next attempt, from 2.
    pub attempt: u32,
    /// Most attempts that the retry policy allows.
    pub max_attempts: u32,
}

/// Callback for retries.
#[derive(Clone)]
pub struct OnRetry(Arc<dyn Fn(&RetryEvent) + Send + Sync>);

impl OnRetry {
    /// Returns a callback that runs before the wait of each retry.
    pub fn new(callback: impl Fn(&RetryEvent) + Send + Sync + 'static) -> OnRetry {
        OnRetry(Arc::new(callback))
    }

    pub(super) fn call(&self, event: &RetryEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRetry")
    }
}

/// Returns the wait that a response asks for in `Retry-After`: a number of seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // More seconds than a number has.
        Err(_) if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(Duration::MAX)
        }
        Err(_) => {
            let date = httpdate::parse_http_date(text).or_trace("parse `Retry-After`")?;
            // A date in the past means no wait. Clocks may differ.
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
        let retry = RetryPolicy::default();
        for (attempts, longest) in [(1, 500), (2, 1_000), (3, 2_000), (4, 4_000)] {
            let longest = Duration::from_millis(longest);
            for _ in 0..50 {
                let wait = retry.backoff(attempts, None).unwrap();
                assert!(wait >= longest / 2 && wait <= longest, "{attempts}: {wait:?}");
            }
        }
        assert_eq!(retry.backoff(5, None), None);
        let many = RetryPolicy { max_attempts: u32::MAX, ..retry };
        assert!(many.backoff(4_000, None).unwrap() <= many.max_backoff);
    }

    #[test]
    fn what_the_registry_asks_for_is_waited_for_or_too_long() {
        let retry = RetryPolicy::default();
        assert!(retry.backoff(1, Some(Duration::from_secs(7))).unwrap() >= Duration::from_secs(7));
        assert_eq!(retry.backoff(1, Some(Duration::from_secs(3_600))), None);
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(retry_after(&headers("120")), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(retry_after(&headers(&soon)).is_some_and(|wait| wait > Duration::from_secs(90)));
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&headers("-1")), None);
        assert_eq!(retry_after(&headers("99999999999999999999999")), Some(Duration::MAX));
        assert_eq!(RetryPolicy::default().backoff(1, Some(Duration::MAX)), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
