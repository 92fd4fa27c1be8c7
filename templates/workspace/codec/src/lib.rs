//! Bytes as hexadecimal digits, and back: the library of this workspace's programs.

use std::fmt;

/// The reason why a text can't be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// This character is not a digit.
    NotADigit(char),
    /// The last byte has only one digit.
    HalfAByte,
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotADigit(char) => write!(f, "`{char}` is not a hexadecimal digit"),
            Self::HalfAByte => write!(f, "the last byte has one digit only"),
        }
    }
}

/// Returns two digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the bytes of a text that [`encode`] made, ignoring white space.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let digits = text
        .chars()
        .filter(|char| !char.is_whitespace())
        .map(digit)
        .collect::<Result<Vec<u8>, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(DecodeError::HalfAByte);
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn digit(char: char) -> Result<u8, DecodeError> {
    match char.to_digit(16) {
        Some(digit) => Ok(digit as u8),
        None => Err(DecodeError::NotADigit(char)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Ok(bytes));
    }

    #[test]
    fn white_space_and_case_do_not_matter() {
        assert_eq!(decode(" 0A\nfF "), Ok(vec![0x0a, 0xff]));
        assert_eq!(decode(""), Ok(vec![]));
    }

    #[test]
    fn slips_are_told() {
        assert_eq!(decode("4x"), Err(DecodeError::NotADigit('x')));
        assert_eq!(decode("48 6"), Err(DecodeError::HalfAByte));
    }
}
