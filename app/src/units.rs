//! Sizes as text for people.

/// Returns a size in decimal units with three digits: `28.1 kB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    // A value that rounds to 1000 of a unit is shown as 1 of the next.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Returns a size with its sign: `+1.20 kB`, `-3 B`, `0 B`.
pub fn signed(change: i64) -> String {
    let sign = match change {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", size(change.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let shown = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (28_149, "28.1 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (1_930_000, "1.93 MB"),
        ];
        for (bytes, text) in shown {
            assert_eq!(size(bytes), text);
        }
    }
}
