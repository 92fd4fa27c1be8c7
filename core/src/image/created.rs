//! The creation time of an image.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// The time in an image's `created`, in whole seconds. It is an input, never the clock's: the same inputs give
/// the same digest (see <https://reproducible-builds.org/specs/source-date-epoch/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Created(jiff::Timestamp);

impl Created {
    /// 1970-01-01, for what has no better time.
    pub const EPOCH: Created = Created(jiff::Timestamp::UNIX_EPOCH);

    /// A time in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::InvalidTime`] before the year -9999 or after 9999.
    pub fn from_unix(seconds: i64) -> Result<Created, Error> {
        let out_of_range = |_| Error::InvalidTime { text: seconds.to_string() };
        jiff::Timestamp::from_second(seconds).map(Created).map_err(out_of_range)
    }
}

impl fmt::Display for Created {
    /// RFC 3339, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Created {
    type Err = Error;

    /// Seconds since 1970, or RFC 3339.
    fn from_str(text: &str) -> Result<Created, Error> {
        // The form of SOURCE_DATE_EPOCH.
        if let Ok(seconds) = text.parse() {
            return Created::from_unix(seconds);
        }
        let timestamp: jiff::Timestamp =
            text.parse().map_err(|_| Error::InvalidTime { text: text.to_owned() })?;
        // Without the fraction and in UTC, so that each spelling of a time gives the same digest.
        Created::from_unix(timestamp.as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        for text in ["1767225600", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00.5+01:00"] {
            let created: Created = text.parse().unwrap();
            assert_eq!(created.to_string(), "2026-01-01T00:00:00Z", "{text}");
        }
        assert_eq!(Created::EPOCH.to_string(), "1970-01-01T00:00:00Z");
        assert!("yesterday".parse::<Created>().is_err());
        assert!("99999999999999".parse::<Created>().is_err());
    }
}
