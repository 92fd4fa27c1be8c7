//! The readable name of a linker's symbol, and the crate and module that it comes from.

use std::fmt::{self, Write};

/// The group of functions whose names are not Rust's.
pub const OTHER_LANGUAGES: &str = "(C or other)";
/// The group of functions without names.
pub const UNNAMED: &str = "(unnamed)";

pub(super) struct Readable {
    pub(super) text: String,
    pub(super) is_rust: bool,
}

// Binaryen's prefix for a function that it merged from several similar ones. The rest is the name of one of them.
const MERGED: &str = "byn$mgfn-shared$";

/// Demangles a symbol of Rust
/// ([v0](https://doc.rust-lang.org/rustc/symbol-mangling/v0.html) or legacy) or C++, without hashes; others stay as
/// they are.
pub(super) fn readable(symbol: &str) -> Readable {
    let of_one = symbol.trim_start_matches(MERGED);
    let mut readable = demangled(of_one);
    if of_one.len() < symbol.len() {
        readable.text.push_str(" (merged)");
    }
    readable
}

/// Returns a readable name: symbols of Rust, and of C++ with the feature `cpp-names`, are demangled, without hashes; others stay
/// as they are.
#[must_use]
pub fn readable_name(symbol: &str) -> String {
    readable(symbol).text
}

fn demangled(symbol: &str) -> Readable {
    let mut text = Bounded::for_symbol(symbol);
    let again = mangled_again(symbol);
    if let Ok(name) = rustc_demangle::try_demangle(again.as_deref().unwrap_or(symbol)) {
        // The alternate form leaves the hash out.
        let done = write!(text, "{name:#}").is_ok();
        return Readable { text: text.finish(done), is_rust: true };
    }
    #[cfg(feature = "cpp-names")]
    if symbol.starts_with("_Z")
        && let Ok(name) = cpp_demangle::Symbol::new(symbol)
    {
        let options = cpp_demangle::DemangleOptions::new().recursion_limit(100);
        let done = name.structured_demangle(&mut text, &options).is_ok();
        return Readable { text: text.finish(done), is_rust: false };
    }
    Readable { text: symbol.to_owned(), is_rust: false }
}

struct Bounded {
    text: String,
    most: usize,
}

impl Bounded {
    fn for_symbol(symbol: &str) -> Bounded {
        // References back to earlier parts of a symbol can make its text exponentially long.
        Bounded { text: String::new(), most: 8 * symbol.len() + 64 }
    }

    fn finish(mut self, done: bool) -> String {
        if !done {
            self.text.push('…');
        }
        self.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = more.floor_char_boundary(self.most - self.text.len());
        self.text.push_str(&more[..end]);
        if end == more.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

fn mangled_again(name: &str) -> Option<String> {
    // By default, LLVM's linker demangles names in the name section as if they were C++. That leaves segments of Rust's
    // legacy mangling and a hash, which rustc-demangle doesn't recognize.
    let (path, hash) = name.rsplit_once("::h")?;
    if hash.len() != 16 || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let segments: String =
        path.split("::").map(|segment| format!("{}{segment}", segment.len())).collect();
    Some(format!("_ZN{segments}17h{hash}E"))
}

/// The place of a function in the source, according to its demangled name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) crate_name: &'a str,
    /// The modules in it, and the type if there is one.
    pub(super) path: Vec<&'a str>,
    pub(super) item: String,
}

/// Takes a demangled Rust name apart. The crate of `<T as Trait>::f` is T's, or the trait's if T has no path.
pub(super) fn place(name: &str) -> Place<'_> {
    let Some((inside, rest)) = qualified(name) else { return place_of_path(name) };
    let parts = split(inside, " as ");
    let of_type = parts.first().and_then(|ty| path_of(ty));
    let of_trait = parts.get(1).copied();
    // Primitive types, references and type parameters have no path. Their own functions count for `core`.
    let (mut path, item) = match (of_type, of_trait) {
        (Some(path), None) => (path, rest.to_owned()),
        (Some(path), Some(of_trait)) => (path, format!("{rest} ({})", last_name(of_trait))),
        (None, Some(of_trait)) => {
            (path_of(of_trait).unwrap_or_else(|| vec!["core"]), format!("{rest} for {}", parts[0]))
        }
        (None, None) => (vec!["core"], name.to_owned()),
    };
    let crate_name = path.remove(0);
    Place { crate_name, path, item }
}

/// Returns `inside` and `rest` of `<inside>::rest`.
fn qualified(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_at(split(name, "::").first()?.len());
    Some((first.strip_prefix('<')?.strip_suffix('>')?, rest.strip_prefix("::")?))
}

fn place_of_path(name: &str) -> Place<'_> {
    let segments = split(name, "::");
    // A closure or type arguments are part of the function that they belong to.
    let is_own = |segment: &&str| !segment.starts_with(['{', '<']);
    let item = segments.iter().rposition(is_own).unwrap_or(0).max(1).min(segments.len() - 1);
    let path =
        segments.iter().take(item).skip(1).map(|segment| without_arguments(segment)).collect();
    Place { crate_name: segments[0], path, item: segments[item..].join("::") }
}

/// Returns the segments of a type's or a trait's path, if it has one: at least a crate and a name in it.
fn path_of(ty: &str) -> Option<Vec<&str>> {
    // A hostile name could nest as deep as it is long.
    path_within(ty, 4)
}

/// Does the same for a type that is defined in a method, `<T>::f::Type`, up to `levels` deep.
fn path_within(ty: &str, levels: usize) -> Option<Vec<&str>> {
    let ty = split(ty.strip_prefix("dyn ").unwrap_or(ty), " + ").swap_remove(0);
    let (mut path, rest) = match qualified(ty) {
        Some((inside, rest)) => {
            (path_within(split(inside, " as ").swap_remove(0), levels.checked_sub(1)?)?, rest)
        }
        None => (Vec::new(), ty),
    };
    path.extend(
        split(rest, "::").into_iter().map(without_arguments).filter(|name| !name.starts_with('<')),
    );
    let is_crate = |name: &&str| name.chars().all(|it| it.is_alphanumeric() || it == '_');
    (path.len() > 1 && path.first().is_some_and(is_crate)).then_some(path)
}

fn last_name(path: &str) -> &str {
    without_arguments(split(path, "::").last().copied().unwrap_or(path))
}

/// Returns `Vec` of `Vec<T>`. A segment that begins with a bracket stays as it is.
fn without_arguments(segment: &str) -> &str {
    segment.split('<').next().filter(|name| !name.is_empty()).unwrap_or(segment)
}

/// Splits a text at each `separator` outside of brackets.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    let mut before = ' ';
    for (position, it) in text.char_indices() {
        match it {
            '<' | '(' | '[' | '{' => depth += 1,
            // The `>` of an arrow in front of a return type closes no bracket.
            '>' if before == '-' => {}
            '>' | ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        before = it;
        if depth == 0 && position >= start && text[position..].starts_with(separator) {
            parts.push(&text[start..position]);
            start = position + separator.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(symbol: &str) -> (String, String, String) {
        let name = readable(symbol).text;
        let Place { crate_name, path, item } = place(&name);
        (crate_name.to_owned(), path.join("/"), item)
    }

    #[test]
    fn both_manglings_of_rust_and_what_a_linker_makes_of_one() {
        for (symbol, text) in [
            ("_RNvNtCsdHhIpgkcIfN_4core6result13unwrap_failed", "core::result::unwrap_failed"),
            ("_ZN7globset7GlobSet3new17h05bca2507848ec3fE", "globset::GlobSet::new"),
            (
                "_ZN42_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$3fmt17h26b8018d32fb4458E",
                "<&T as core::fmt::Debug>::fmt",
            ),
            (
                "_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$::fmt::h26b8018d32fb4458",
                "<&T as core::fmt::Debug>::fmt",
            ),
            (
                "byn$mgfn-shared$_RNvNtCsdHhIpgkcIfN_4core6result13unwrap_failed",
                "core::result::unwrap_failed (merged)",
            ),
        ] {
            let Readable { text: found, is_rust } = readable(symbol);
            assert_eq!((found.as_str(), is_rust), (text, true));
        }
        for (symbol, text) in [
            ("dlmalloc", "dlmalloc"),
            #[cfg(feature = "cpp-names")]
            ("_ZN3foo3barEv", "foo::bar()"),
            ("std::vector<int>", "std::vector<int>"),
            ("", ""),
        ] {
            let Readable { text: found, is_rust } = readable(symbol);
            assert_eq!((found.as_str(), is_rust), (text, false));
        }
    }

    #[test]
    fn a_function_counts_for_the_crate_of_its_path_or_its_type_or_its_trait() {
        for (name, crate_name, path, item) in [
            ("core::result::unwrap_failed", "core", "result", "unwrap_failed"),
            ("main", "main", "", "main"),
            ("core::ptr::drop_in_place::<app::T>", "core", "ptr", "drop_in_place::<app::T>"),
            ("app::run::{closure#0}", "app", "", "run::{closure#0}"),
            ("core::str::<impl str>::trim", "core", "str/<impl str>", "trim"),
            ("<alloc::vec::Vec<app::T>>::push", "alloc", "vec/Vec", "push"),
            ("<app::a::T as core::fmt::Debug>::fmt", "app", "a/T", "fmt (Debug)"),
            ("<&app::T as core::fmt::Debug>::fmt", "core", "fmt/Debug", "fmt for &app::T"),
            ("<T as serde::Serialize>::f", "serde", "Serialize", "f for T"),
            ("<[u8]>::concat", "core", "", "<[u8]>::concat"),
            ("<dyn app::Any + core::marker::Send>::is", "app", "Any", "is"),
            (
                "<fn(a::B) -> c::D as e::F<g::H>>::call::<i::J>",
                "e",
                "F",
                "call::<i::J> for fn(a::B) -> c::D",
            ),
            (
                "<a::b::{closure#0} as core::ops::FnOnce<()>>::call_once",
                "a",
                "b/{closure#0}",
                "call_once (FnOnce)",
            ),
            ("<<a::T>::f::U as b::V>::g", "a", "T/f/U", "g (V)"),
            ("<a::T>::f::inner", "a", "T", "f::inner"),
            ("a::T<b::U>::f", "a", "T", "f"),
        ] {
            let place = place(name);
            assert_eq!(
                (place.crate_name, place.path.join("/").as_str(), place.item.as_str()),
                (crate_name, path, item),
                "{name}"
            );
        }
        let symbol =
            "_RNvYNtNtNtCsdHhIpgkcIfN_4core3fmt8builders10PadAdapterNtB6_5Write9write_fmtB8_";
        assert_eq!(place_of(symbol).0, "core");
        assert_eq!(place_of(symbol).1, "fmt/builders/PadAdapter");
    }

    #[test]
    fn nothing_that_can_be_a_name_is_too_much() {
        for name in [
            "",
            "<",
            ">",
            "<>",
            "a::::h0123456789abcdef",
            "<>::",
            "::",
            "<a",
            "a>>::b",
            "<as >::x",
            "< as >::x",
            "é::<ü>::{",
            "-> ::",
        ] {
            let _ = place(name);
        }
        let deep = |n| format!("{}a::T{}::f", "<".repeat(n), ">::U as b::V".repeat(n));
        let _ = place(&deep(2000));
        // Each type is a pair of the one before, by references back: 2^30 words.
        let mut symbol = "_RINvC1a1bTuuE".to_owned();
        let mut last = 8;
        for _ in 0..30 {
            let (here, back) = (symbol.len() - 2, format!("B{}_", in_base_62(last - 1)));
            symbol.push_str(&format!("T{back}{back}E"));
            last = here;
        }
        symbol.push('E');
        let text = readable(&symbol).text;
        assert!(
            text.starts_with("a::b::<((), ()), (((), ()), ((), ()))") && text.ends_with('…'),
            "{text}"
        );
        assert!(text.len() <= 8 * symbol.len() + 67);
    }

    fn in_base_62(number: usize) -> String {
        let digit = |number: usize| char::from(DIGITS[number % 62]);
        let first = (number >= 62).then(|| digit(number / 62));
        first.into_iter().chain([digit(number)]).collect()
    }

    const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
}
