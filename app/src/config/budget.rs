//! The setting `size-budget`.

use bytesize::ByteSize;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Size limits in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Limit for the module after optimizing.
    pub module: Option<u64>,
    /// Limit for the compressed layers of the main format.
    pub image: Option<u64>,
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Budget, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Size {
            Bytes(u64),
            Text(String),
        }
        // `expecting` names valid values; serde's own message for an untagged enum names none.
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a size such as \"600 kB\", or a table of sizes such as { module = \"600 kB\", image = \"250 kB\" }"
        )]
        enum OneOrTable {
            One(Size),
            Table(Table),
        }
        // Without `deny_unknown_fields`, a typo such as `modul` would mean no limit at all.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            module: Option<Size>,
            image: Option<Size>,
        }
        let bytes = |size| match size {
            Size::Bytes(bytes) => Ok(bytes),
            Size::Text(text) => parse(&text).map_err(D::Error::custom),
        };
        Ok(match OneOrTable::deserialize(from)? {
            OneOrTable::One(size) => Budget { module: Some(bytes(size)?), image: None },
            OneOrTable::Table(Table { module, image }) => Budget {
                module: module.map(bytes).transpose()?,
                image: image.map(bytes).transpose()?,
            },
        })
    }
}

/// Parses a size such as `600kB`, in bytes.
pub fn parse(text: &str) -> Result<u64, String> {
    // The errors of `ByteSize` don't show how to write a size.
    let parsed = text.trim().parse().map(|ByteSize(bytes)| bytes);
    parsed.map_err(|_| {
        format!("`{text}` is not a size; write it as 600kB (600000 bytes) or 600KiB (614400 bytes)")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn setting(value: serde_json::Value) -> Result<Budget, String> {
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    #[test]
    fn a_size_or_a_table_of_sizes() {
        let budget = |module, image| Ok(Budget { module, image });
        assert_eq!(setting(json!("600 kB")), budget(Some(600_000), None));
        assert_eq!(setting(json!("1.5MiB")), budget(Some(1_572_864), None));
        assert_eq!(setting(json!(4096)), budget(Some(4096), None));
        assert_eq!(setting(json!({"module": "1 kB", "image": 500})), budget(Some(1000), Some(500)));
        assert_eq!(setting(json!({"image": "1KiB"})), budget(None, Some(1024)));
        for wrong in
            [json!({"modul": "1 kB"}), json!(true), json!("much"), json!("-1 kB"), json!("")]
        {
            let error = setting(wrong.clone()).unwrap_err();
            assert!(error.contains("600 kB") || error.contains("600kB"), "{wrong}: {error}");
        }
    }
}
