//! Text that others wrote, made safe to show.

use std::borrow::Cow;

/// Returns true for a character that a terminal, or a viewer of logs, obeys instead of showing it: control characters,
/// which begin escape sequences, and those that change the direction or the lines of the text around them
/// ([Trojan Source](https://trojansource.codes/)).
#[must_use]
pub fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Returns a text of several lines with all other characters that are obeyed as `\u{…}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, |letter| is_obeyed(letter) && !matches!(letter, '\n' | '\t'), write_out)
}

/// Returns a message that may quote others, with all other characters that are obeyed as `\u{…}`. Each line but the first
/// begins with a bar, because it could otherwise be taken for a message of its own, such as `error: …`.
#[must_use]
pub fn barred(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\r', '\n']);
    match text.contains('\n') {
        true => Cow::Owned(escaped(&text.replace("\r\n", "\n")).replace('\n', "\n  | ")),
        false => escaped(text),
    }
}

/// Returns a name or another text that has to stay on one line, with all characters that are obeyed as `\u{…}`.
#[must_use]
pub fn visible(text: &str) -> String {
    escape(text, is_obeyed, write_out).into_owned()
}

fn write_out(shown: &mut String, letter: char) {
    shown.extend(letter.escape_default());
}

fn escape(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    write: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_escaped(letter) {
            true => write(&mut shown, letter),
            false => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// Returns JSON with the same values, in which these characters are written as `\u….`. JSON has them only in texts.
#[must_use]
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    // JSON itself escapes the control characters of ASCII but for DEL. Line breaks between values stay.
    let is_escaped = |letter: char| is_obeyed(letter) && letter >= '\u{7f}';
    // All of these characters are in the first plane.
    escape(json, is_escaped, |shown, letter| {
        shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "a\u{1b}[2J\r\u{7}\u{7f}\u{9b}1m\u{85}\u{202e}\u{2066}\u{200f}\u{2028}\u{61c}\n\tb";

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(
            visible(HOSTILE),
            r"a\u{1b}[2J\r\u{7}\u{7f}\u{9b}1m\u{85}\u{202e}\u{2066}\u{200f}\u{2028}\u{61c}\n\tb"
        );
        let lines = escaped(HOSTILE);
        assert!(lines.ends_with("\n\tb") && lines.chars().filter(|it| is_obeyed(*it)).count() == 2);
        for text in ["größe 日本 👩‍💻 a\\b", "", "שלום"] {
            assert_eq!((visible(text).as_str(), &*escaped(text)), (text, text));
        }
    }

    #[test]
    fn no_line_of_a_text_begins_as_a_message_does() {
        let text = "denied\nerror: forged\r\n\u{85}     Pushed\u{2028}error: x\rerror: y\n\n";
        assert_eq!(
            barred(text),
            "denied\n  | error: forged\n  | \\u{85}     Pushed\\u{2028}error: x\\rerror: y"
        );
        assert_eq!((&*barred("one line"), &*barred("")), ("one line", ""));
    }

    #[test]
    fn json_keeps_its_values() {
        let json = serde_json::to_string_pretty(&[HOSTILE, "größe"]).unwrap();
        let shown = escaped_json(&json);
        assert!(shown.chars().all(|letter| letter == '\n' || !is_obeyed(letter)), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [HOSTILE, "größe"]);
    }
}
