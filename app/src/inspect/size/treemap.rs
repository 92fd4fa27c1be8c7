//! Treemap of a module's parts: one self-contained, interactive HTML file.

use wasm_oci_core::module::SizeNode;

const PAGE: &str = include_str!("treemap.html");
const STYLE: &str = include_str!("treemap.css");
const SCRIPT: &str = include_str!("treemap.js");

/// Returns the page for a tree.
pub(super) fn page(tree: &SizeNode) -> Result<String, serde_json::Error> {
    // Only `<` can end a script element or begin a comment in it. In JSON, `<` occurs only inside strings.
    let data = serde_json::to_string(tree)?.replace('<', "\\u003c");
    // Insert the data last, so that a name can't be taken for a placeholder.
    let page = PAGE.replacen("{{style}}", STYLE.trim_end(), 1).replacen(
        "{{script}}",
        SCRIPT.trim_end(),
        1,
    );
    Ok(page.replacen("{{data}}", &data, 1))
}

#[cfg(test)]
mod tests {
    use wasm_oci_core::module::SizeReport;

    use super::*;

    #[test]
    fn a_name_ends_no_script_and_is_no_placeholder() {
        let name = "</script><!-- {{script}} {{data}}";
        let bytes = [0, b'a', b's', b'm', 1, 0, 0, 0];
        let tree = SizeReport::read("x", &bytes, &bytes).unwrap().tree(name);
        let page = page(&tree).unwrap();
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap()["name"], name);
        assert_eq!(page.matches("</script>").count(), 2);
    }
}
