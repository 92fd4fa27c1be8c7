//! Reads smoke tests from TOML, where users may abbreviate many values.

use std::path::Path;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::case::{Answer, Case, Content, Expected, Http};
use crate::config::settings::check_keys;
use crate::error::SettingsError;

/// Reads the value of a key `smoke`. Messages call its location `table`; paths are relative to `folder`.
pub fn read_cases(smoke: &Value, table: &str, folder: &Path) -> Result<Vec<Case>, SettingsError> {
    let wrong = SettingsError::table;
    let list = smoke.as_array().ok_or_else(|| {
        wrong(table, "`smoke` is not a list of tables; begin each test with [[….smoke]]".to_owned())
    })?;
    let mut cases: Vec<Case> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        // Taken before the test is checked, so that every error can name the test.
        let name = value.get("name").and_then(Value::as_str);
        let place = match name {
            Some(name) => format!("the smoke test `{name}` in {table}"),
            None => format!("smoke test {} in {table}", index + 1),
        };
        let mut value = value.clone();
        spell_out(&mut value, &place)?;
        let case: Case = serde_json::from_value(value).map_err(|e| wrong(&place, e.to_string()))?;
        let case = Case { folder: folder.to_owned(), ..case };
        case.check().map_err(|reason| wrong(&place, reason))?;
        // Sources are merged by name, and reports have nothing else to tell tests apart.
        if cases.iter().any(|other| other.name == case.name) {
            return Err(wrong(&place, "another smoke test has the same name".to_owned()));
        }
        cases.push(case);
    }
    Ok(cases)
}

/// Reads a file that has `[[smoke]]` tables and nothing else.
pub fn read_file(path: &Path) -> Result<Vec<Case>, SettingsError> {
    #[derive(JsonSchema)]
    struct File {
        #[expect(dead_code, reason = "only its name is needed")]
        smoke: Vec<Case>,
    }
    let table = path.display().to_string();
    let wrong = |reason: String| SettingsError::table(&table, reason);
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    // Settings arrive as JSON from `cargo metadata`, so a file becomes JSON, too.
    let file: Value = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    check_keys::<File>(&file, &table)?;
    // Paths start at the file, so that it works from any current folder.
    let folder = path.parent().unwrap_or(Path::new(""));
    file.get("smoke").map_or_else(|| Ok(Vec::new()), |smoke| read_cases(smoke, &table, folder))
}

/// Expands abbreviated values into tables, and checks every key.
// On the JSON values, because the errors of untagged enums name neither the wrong key nor a similar one.
fn spell_out(case: &mut Value, place: &str) -> Result<(), SettingsError> {
    let case = table::<Case>(case, "a smoke test", place)?;
    each(case, &["stdin"], |value, key| content(value, key, place))?;
    each(case, &["stdout", "stderr"], |value, key| expected(value, key, place))?;
    in_table(case, "files", place, |value, key| content(value, key, place))?;
    in_table(case, "files-after", place, |value, key| expected(value, key, place))?;
    let Some(http) = case.get_mut("http") else { return Ok(()) };
    let http = table::<Http>(http, "http", place)?;
    each(http, &["body"], |value, key| content(value, key, place))?;
    let Some(answer) = http.get_mut("answer") else { return Ok(()) };
    let answer = table::<Answer>(answer, "answer", place)?;
    each(answer, &["body"], |value, key| expected(value, key, place))?;
    in_table(answer, "headers", place, |value, key| expected(value, key, place))
}

type Object = Map<String, Value>;

fn each(
    object: &mut Object,
    keys: &[&str],
    act: impl Fn(&mut Value, &str) -> Result<(), SettingsError>,
) -> Result<(), SettingsError> {
    keys.iter().try_for_each(|key| object.get_mut(*key).map_or(Ok(()), |value| act(value, key)))
}

fn in_table(
    object: &mut Object,
    key: &str,
    place: &str,
    act: impl Fn(&mut Value, &str) -> Result<(), SettingsError>,
) -> Result<(), SettingsError> {
    let Some(value) = object.get_mut(key) else { return Ok(()) };
    let object = value.as_object_mut().ok_or_else(|| not_a(key, "a table", place))?;
    object.iter_mut().try_for_each(|(key, value)| act(value, key))
}

/// Returns a table after checking that it only has the keys of `T`.
fn table<'a, T: JsonSchema>(
    value: &'a mut Value,
    key: &str,
    place: &str,
) -> Result<&'a mut Object, SettingsError> {
    check_keys::<T>(value, &format!("{place}, {key}"))?;
    value.as_object_mut().ok_or_else(|| not_a(key, "a table", place))
}

fn content(value: &mut Value, key: &str, place: &str) -> Result<(), SettingsError> {
    if value.is_string() {
        *value = Value::Object(Object::from_iter([("text".to_owned(), value.take())]));
    }
    // Checked before `table`, whose message would not mention the short form.
    if !value.is_object() {
        return Err(not_a(key, "a text or { from = \"FILE\" }", place));
    }
    table::<Content>(value, key, place).map(drop)
}

fn expected(value: &mut Value, key: &str, place: &str) -> Result<(), SettingsError> {
    if value.is_string() {
        *value = Value::Object(Object::from_iter([("equals".to_owned(), value.take())]));
    }
    if !value.is_object() {
        return Err(not_a(key, "a text or { contains = \"TEXT\" }", place));
    }
    let object = table::<Expected>(value, key, place)?;
    each(object, &["contains", "matches"], |value, _| {
        if value.is_string() {
            *value = Value::Array(vec![value.take()]);
        }
        Ok(())
    })
}

fn not_a(key: &str, what: &str, place: &str) -> SettingsError {
    SettingsError::table(place, format!("`{key}` is not {what}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cases(text: &str) -> Result<Vec<Case>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.toml");
        std::fs::write(&path, text).unwrap();
        read_file(&path).map_err(|e| e.to_string())
    }

    fn refused(rest: &str) -> String {
        cases(&format!("[[smoke]]\nname = \"one\"\n{rest}\n")).unwrap_err()
    }

    #[test]
    fn every_key_can_be_set() {
        let text = r#"
            [[smoke]]
            name = "all"
            args = ["a"]
            env = { A = "1" }
            stdin = { from = "in.txt" }
            dirs = ["data::/data"]
            files = { "in.txt" = "text", "/" = { from = "folder" } }
            timeout = "500ms"
            memory = "1MiB"
            max-output = "10"
            exit-code = 3
            stdout = "text\n"
            stderr = { contains = "a", matches = ["b", "c"] }
            files-after = { "gone" = { absent = true }, "there" = {} }

            [[smoke]]
            name = "http"
            [smoke.http]
            method = "POST"
            path = "/a"
            headers = { a = "b" }
            body = "c"
            answer.headers = { content-type = { contains = "text" }, x = { absent = true } }
        "#;
        let cases = cases(text).unwrap();
        let [all, http] = cases.try_into().unwrap();
        assert_eq!(all.timeout, Some(Duration::from_millis(500)));
        assert_eq!((all.memory, all.max_output, all.exit_code), (Some(1 << 20), Some(10), Some(3)));
        assert_eq!(all.stdout.unwrap().equals.as_deref(), Some("text\n"));
        let stderr = all.stderr.unwrap();
        assert_eq!((stderr.contains.len(), stderr.matches.len()), (1, 2));
        assert_eq!(all.files["in.txt"].text.as_deref(), Some("text"));
        assert!(all.files_after["gone"].absent);
        let http = http.http.unwrap();
        assert_eq!((http.method.as_str(), http.answer.status), ("POST", 200));
        assert!(http.answer.headers["x"].absent);
    }

    #[test]
    fn slips_are_told_wherever_they_are() {
        let hints = [
            ("stdot = \"\"", "did you mean `stdout`"),
            ("stdout = { contain = \"\" }", "did you mean `contains`"),
            ("stdin = { form = \"a\" }", "did you mean `from`"),
            ("files = { a = { form = \"a\" } }", "did you mean `from`"),
            ("http = { pth = \"/\" }", "did you mean `path`"),
            ("http = { answer = { state = 1 } }", "did you mean `status`"),
            ("stdout = 1", "`stdout` is not a text or"),
            ("files = []", "`files` is not a table"),
            ("timeout = \"soon\"", "`soon` is not a duration"),
            ("memory = \"much\"", "`much` is not a size"),
            ("exit-code = 300", "invalid value"),
            ("stdout = { matches = \"(\" }", "not a valid regular expression"),
            ("stdout = { absent = true }", "always exists"),
            ("files = { \"../a\" = \"\" }", "not the path"),
            ("files = { \"/\" = \"\" }", "not the path"),
            ("files-after = { \"a/../../b\" = \"\" }", "not the path"),
            ("stdin = {}", "either `text` or `from`"),
            ("dirs = [\"data::/\"]", "test's own folder"),
            ("args = []\nhttp = {}", "can't be combined with `args`"),
            ("stdout = \"\"\nhttp = {}", "can't be combined with `args`"),
            ("http = { path = \"a\" }", "start with `/`"),
        ];
        for (rest, told) in hints {
            let error = refused(rest);
            assert!(
                error.contains(told) && error.contains("the smoke test `one`"),
                "{rest}: {error}"
            );
        }
        assert!(cases("[[smke]]\n").unwrap_err().contains("did you mean `smoke`"));
        assert!(cases("[smoke]\n").unwrap_err().contains("[[….smoke]]"));
        assert!(cases("[[smoke]]\n").unwrap_err().contains("smoke test 1 in"));
        assert!(
            cases("[[smoke]]\nname=\"a\"\n[[smoke]]\nname=\"a\"")
                .unwrap_err()
                .contains("same name")
        );
        assert!(cases("[[smoke").unwrap_err().contains("cases.toml"));
    }
}
