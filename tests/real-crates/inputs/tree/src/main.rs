fn main() {
    let needle = find_needle();
    println!("{needle:?}");
}

/// Finds the Needle.
fn find_needle() -> Option<&'static str> {
    Some("needle")
}
