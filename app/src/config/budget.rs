//! The setting `size-budget`.

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, SettingsError};

/// The setting `size-budget`: one size, which is the module's, or a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BudgetSetting {
    /// The most for the module after optimizing, as `600 kB`.
    pub module: Option<String>,
    /// The most for the compressed layers of the main format.
    pub image: Option<String>,
}

impl<'de> Deserialize<'de> for BudgetSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<BudgetSetting, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Size {
            Bytes(u64),
            Text(String),
        }
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a size, as \"600 kB\", or a table of sizes, as { module = \"600 kB\", image = \"250 kB\" }"
        )]
        enum OneOrTable {
            One(Size),
            Table(Table),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            module: Option<Size>,
            image: Option<Size>,
        }
        let text = |size| match size {
            Size::Bytes(bytes) => bytes.to_string(),
            Size::Text(text) => text,
        };
        Ok(match OneOrTable::deserialize(from)? {
            OneOrTable::One(size) => BudgetSetting { module: Some(text(size)), image: None },
            OneOrTable::Table(Table { module, image }) => {
                BudgetSetting { module: module.map(text), image: image.map(text) }
            }
        })
    }
}

impl BudgetSetting {
    /// This, and where it says nothing, `lower`.
    #[must_use]
    pub fn over(self, lower: BudgetSetting) -> BudgetSetting {
        BudgetSetting { module: self.module.or(lower.module), image: self.image.or(lower.image) }
    }
}

/// The most bytes that a module, and its image, may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// For the module after optimizing.
    pub module: Option<u64>,
    /// For the compressed layers of the main format.
    pub image: Option<u64>,
}

impl Budget {
    /// The budget that is set.
    ///
    /// # Errors
    /// For what is no size.
    pub fn resolve(setting: &BudgetSetting) -> Result<Budget, Error> {
        let bytes = |text: &Option<String>| text.as_deref().map(parse).transpose();
        let meaning = |reason| SettingsError::Meaning { key: "size-budget", reason };
        Ok(Budget {
            module: bytes(&setting.module).map_err(meaning)?,
            image: bytes(&setting.image).map_err(meaning)?,
        })
    }
}

/// A size as users write it, in bytes.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str) -> Result<u64, String> {
    let parsed = text.trim().parse().map(|ByteSize(bytes)| bytes);
    parsed.map_err(|_| {
        format!("`{text}` is no size: write it as 600kB (600000 bytes) or 600KiB (614400 bytes)")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn setting(value: serde_json::Value) -> Result<Budget, String> {
        let setting: BudgetSetting = serde_json::from_value(value).map_err(|e| e.to_string())?;
        Budget::resolve(&setting).map_err(|e| e.to_string())
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
