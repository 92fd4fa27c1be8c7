//! A module's parts as a treemap to zoom into: one HTML file that needs nothing else.

use wasm_oci_core::module::SizeNode;

const PAGE: &str = include_str!("treemap.html");
const STYLE: &str = include_str!("treemap.css");
const SCRIPT: &str = include_str!("treemap.js");

/// The page about a tree.
pub(super) fn page(tree: &SizeNode) -> Result<String, serde_json::Error> {
    // Inside of a script element, nothing but `<` can end it or begin a comment; in JSON, it only occurs in strings.
    let data = serde_json::to_string(tree)?.replace('<', "\\u003c");
    // The data comes last: what is in a name is not looked at again.
    let page = PAGE.replacen("{{style}}", STYLE.trim_end(), 1).replacen("{{script}}", SCRIPT.trim_end(), 1);
    Ok(page.replacen("{{data}}", &data, 1))
}
