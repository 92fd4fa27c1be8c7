//! Changes in YAML, in place: texts of all shapes, made at random together with what has to become of them.

use fastrand::Rng;
use wasm_oci_app::deploy::yaml::edit::Edits;
use wasm_oci_app::deploy::yaml::{MAX_BYTES, Stream};

const REFERENCE: &str = "wasm-oci://app";
const IMAGE: &str = "registry.example:5000/a/app@sha256:0123456789abcdef";

/// A text before and after.
struct Text {
    rng: Rng,
    before: String,
    after: String,
    line_break: &'static str,
    anchors: usize,
    changes: usize,
}

impl Text {
    fn new(seed: u64) -> Text {
        let mut rng = Rng::with_seed(seed);
        let line_break = if rng.bool() { "\n" } else { "\r\n" };
        let mut text = Text {
            rng,
            before: String::new(),
            after: String::new(),
            line_break,
            anchors: 0,
            changes: 0,
        };
        if text.rng.u8(..8) == 0 {
            text.push("\u{feff}");
        }
        for document in 0..text.rng.usize(1..4) {
            if document > 0 || text.rng.bool() {
                text.push("---");
                text.end_line();
            }
            let root = text.rng.usize(..3);
            text.mapping(root, 3);
        }
        text
    }

    fn push(&mut self, both: &str) {
        self.before.push_str(both);
        self.after.push_str(both);
    }

    fn end_line(&mut self) {
        if self.rng.u8(..3) == 0 {
            self.push("  # é ☃ wasm-oci://app '\"");
        }
        self.push(self.line_break);
        while self.rng.u8(..6) == 0 {
            self.push(self.line_break);
        }
    }

    fn reference(&mut self) {
        self.before.push_str(REFERENCE);
        self.after.push_str(IMAGE);
        self.changes += 1;
    }

    fn mapping(&mut self, indentation: usize, depth: usize) {
        for key in 0..self.rng.usize(1..5) {
            if self.rng.u8(..4) == 0 {
                let line =
                    format!("{}# wasm-oci://app: é{}", " ".repeat(indentation), self.line_break);
                self.push(&line);
            }
            self.push(&" ".repeat(indentation));
            self.push(&format!("{}:", ["image", "'ö'", "\"k\"", "a b"][key]));
            self.value(indentation, depth);
        }
    }

    fn value(&mut self, indentation: usize, depth: usize) {
        let more = indentation + self.rng.usize(1..4);
        match self.rng.u8(..if depth == 0 { 4 } else { 6 }) {
            0 | 1 => {
                let spaces = " ".repeat(self.rng.usize(1..4));
                self.push(&spaces);
                self.anchor();
                self.scalar();
                self.end_line();
            }
            2 => {
                let spaces = " ".repeat(self.rng.usize(1..3));
                self.push(&spaces);
                self.flow(depth);
                self.end_line();
            }
            3 => self.block_scalar(more),
            4 => {
                self.end_line();
                self.mapping(more, depth - 1);
            }
            _ => {
                self.end_line();
                for _ in 0..self.rng.usize(1..4) {
                    self.push(&format!("{}-", " ".repeat(more)));
                    self.value(more, depth - 1);
                }
            }
        }
    }

    fn anchor(&mut self) {
        if self.rng.u8(..5) == 0 {
            self.anchors += 1;
            self.push(&format!("&a{} ", self.anchors));
        }
        if self.rng.u8(..6) == 0 {
            self.push("!!str ");
        }
    }

    fn scalar(&mut self) {
        let others = [
            "x",
            "'it''s wasm-oci://app, é'",
            "\"a \\\" # b\"",
            "see wasm-oci://app",
            "wasm-oci:/app",
            "~",
        ];
        match self.rng.usize(..9) {
            0 => self.reference(),
            1 => self.quoted("'"),
            2 => self.quoted("\""),
            n => self.push(others[n - 3]),
        }
    }

    fn quoted(&mut self, quote: &str) {
        self.push(quote);
        self.reference();
        self.push(quote);
    }

    fn flow(&mut self, depth: usize) {
        if depth == 0 || self.rng.bool() {
            match self.rng.bool() {
                true => self.quoted("\""),
                false => self.reference(),
            }
            return;
        }
        if self.rng.bool() {
            self.push("[ ");
            self.flow(depth - 1);
            self.push(",");
            self.flow(depth - 1);
            self.push(" ]");
        } else {
            self.push("{a: ");
            self.flow(depth - 1);
            self.push(", \"é\":  ");
            self.flow(depth - 1);
            self.push("}");
        }
    }

    fn block_scalar(&mut self, indentation: usize) {
        let header = [" |", " >-", " |+", " >"][self.rng.usize(..4)];
        self.push(header);
        if self.rng.bool() {
            self.push("  # wasm-oci://app");
        }
        self.push(self.line_break);
        self.push(&" ".repeat(indentation));
        match self.rng.bool() {
            true => self.reference(),
            false => self.push("- wasm-oci://app é"),
        }
        self.push(self.line_break);
    }
}

fn replaced(text: &str) -> String {
    let stream = Stream::read("made", text.as_bytes().to_vec())
        .unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let mut edits = Edits::of(&stream);
    for node in stream.nodes().filter(|&node| stream.resolved(node) == node) {
        if stream.scalar(node).is_some_and(|text| text.trim_end_matches('\n') == REFERENCE) {
            edits
                .replace(node, REFERENCE, IMAGE)
                .unwrap_or_else(|error| panic!("{error}:\n{text}"));
        }
    }
    edits.apply().unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn whatever_the_shape_only_references_change() {
    let mut changes = 0;
    for seed in 0..5_000 {
        let text = Text::new(seed);
        assert_eq!(replaced(&text.before), text.after, "seed {seed}");
        changes += text.changes;
    }
    assert!(changes > 10_000, "{changes}");
}

/// Randomly broken texts are either refused or changed correctly; nothing panics, and nothing else changes.
#[test]
fn broken_texts_are_refused_or_keep_what_they_mean() {
    let mut rng = Rng::with_seed(1);
    let mut read = 0;
    for seed in 0..3_000 {
        let mut bytes = Text::new(seed).before.into_bytes();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..3) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, b":-[]{}&*!|>'\"#% \n\r\t\0?,"[rng.usize(..22)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let Ok(stream) = Stream::read("broken", bytes) else { continue };
        let mut edits = Edits::of(&stream);
        for node in stream.nodes().filter(|&node| stream.resolved(node) == node) {
            if stream.scalar(node).is_some_and(|text| text.trim_end_matches('\n') == REFERENCE) {
                _ = edits.replace(node, REFERENCE, IMAGE);
            }
        }
        let Ok(new) = edits.apply() else { continue };
        assert_eq!(new.replace(IMAGE, REFERENCE), stream.text, "seed {seed}");
        read += 1;
    }
    assert!(read > 500, "{read}");
}

/// A large file is read in a moment, and one that is too large not at all.
#[test]
fn large_texts_are_no_trouble() {
    let line = "- {image: wasm-oci://app, n: 'é'} # c\n";
    let text = line.repeat(MAX_BYTES / line.len() / 4);
    let start = std::time::Instant::now();
    assert_eq!(replaced(&text), text.replace(REFERENCE, IMAGE));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    assert!(Stream::read("large", vec![b'#'; MAX_BYTES + 1]).is_err());
}
