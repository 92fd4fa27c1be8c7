//! GitHub's expressions, as far as our action uses them. What is not known here fails the test.

use std::fmt;

/// Values of the names in expressions, such as `inputs.image` or `steps.find.outputs.key`.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> String;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Truth(bool),
}

impl Value {
    fn holds(&self) -> bool {
        match self {
            Value::Text(text) => !text.is_empty(),
            Value::Truth(truth) => *truth,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => text.fmt(f),
            Value::Truth(truth) => truth.fmt(f),
        }
    }
}

/// A text with every `${{ … }}` replaced by its value.
pub(super) fn render(text: &str, lookup: Lookup<'_>) -> String {
    let mut rest = text;
    let mut rendered = String::new();
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").unwrap();
        rendered += before;
        rendered += &evaluate(expression, lookup).to_string();
        rest = after;
    }
    rendered + rest
}

/// Returns true if the `if` of a step lets it run after steps that have `succeeded` or failed.
pub(super) fn runs(condition: Option<&str>, succeeded: bool, lookup: Lookup<'_>) -> bool {
    let Some(condition) = condition else { return succeeded };
    // Without a function that asks how it went, a condition is only looked at when it went well.
    (succeeded || condition.contains("always()")) && evaluate(condition, lookup).holds()
}

fn evaluate(expression: &str, lookup: Lookup<'_>) -> Value {
    let mut parser = Parser { rest: expression.trim(), lookup };
    let value = parser.or();
    assert!(parser.rest.is_empty(), "`{}` is not understood in `{expression}`", parser.rest);
    value
}

struct Parser<'a> {
    rest: &'a str,
    lookup: Lookup<'a>,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn or(&mut self) -> Value {
        let mut left = self.and();
        while self.take("||") {
            let right = self.and();
            left = if left.holds() { left } else { right };
        }
        left
    }

    fn and(&mut self) -> Value {
        let mut left = self.comparison();
        while self.take("&&") {
            let right = self.comparison();
            left = if left.holds() { right } else { left };
        }
        left
    }

    fn comparison(&mut self) -> Value {
        let left = self.operand();
        let equal = match (self.take("=="), self.take("!=")) {
            (true, _) => true,
            (_, true) => false,
            _ => return left,
        };
        match (left, self.operand()) {
            // GitHub's comparison ignores case.
            (Value::Text(left), Value::Text(right)) => {
                Value::Truth(left.eq_ignore_ascii_case(&right) == equal)
            }
            (left, right) => panic!("{left:?} and {right:?} are not compared here"),
        }
    }

    fn operand(&mut self) -> Value {
        if self.take("always()") {
            return Value::Truth(true);
        }
        if self.take("(") {
            let value = self.or();
            assert!(self.take(")"), "`)` is missing before `{}`", self.rest);
            return value;
        }
        if let Some(text) = self.rest.strip_prefix('\'') {
            let (text, rest) = text.split_once('\'').unwrap();
            self.rest = rest.trim_start();
            return Value::Text(text.to_owned());
        }
        let ends = |c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c));
        let (name, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        assert!(name.contains('.'), "`{}` is not understood", self.rest);
        self.rest = rest.trim_start();
        Value::Text((self.lookup)(name))
    }
}

#[test]
fn what_the_action_uses_is_understood() {
    let lookup = |name: &str| match name {
        "inputs.push" => "true".to_owned(),
        "inputs.wasm" => String::new(),
        other => panic!("{other} is not known"),
    };
    let holds = |text: &str| runs(Some(text), true, &lookup);
    assert!(holds("inputs.push == 'true' && inputs.wasm == ''"));
    assert!(holds("inputs.push != 'false' || inputs.wasm != ''"));
    assert!(!holds("(inputs.push == 'true' || always()) && inputs.wasm != ''"));
    assert!(!runs(Some("inputs.push == 'true'"), false, &lookup));
    assert!(runs(Some("always() && inputs.push == 'true'"), false, &lookup));
    assert_eq!(render("a ${{ inputs.push }}${{ inputs.wasm || 'b' }} c", &lookup), "a trueb c");
}
