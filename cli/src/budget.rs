//! How large a module, or its image, may be.

use std::path::Path;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize};
use wasm_oci_core::module::SizeReport;

use crate::error::Error;
use crate::pipeline::Sizes;
use crate::render::size;
use crate::settings::SettingsError;
use crate::size::{Change, Diff, Totals, signed};

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

/// What is larger than its budget.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{name}` is over its size budget: {what} {}, {} more than the {} of `size-budget`: {cause}; `size` shows all of it",
    size(*bytes), size(bytes - budget), size(*budget)
)]
pub struct OverBudget {
    name: String,
    /// As in `its module has`.
    what: &'static str,
    bytes: u64,
    budget: u64,
    /// What it is made of, or what has grown.
    cause: String,
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

    /// Whether what is so large is within the budget.
    #[must_use]
    pub fn allows(&self, sizes: &Sizes) -> bool {
        self.exceeded(sizes).is_none()
    }

    /// Refuses what is not within the budget, and says what has made it so large: what has grown most since it was
    /// within, if that was written to the file `last`. What is within is written there. That this fails only costs
    /// the comparison.
    ///
    /// # Errors
    /// [`OverBudget`].
    pub fn check(
        &self,
        name: &str,
        sizes: &Sizes,
        report: impl FnOnce() -> Result<SizeReport, Error>,
        last: Option<&Path>,
    ) -> Result<(), Error> {
        match (self.exceeded(sizes), last) {
            (None, Some(file)) if *self != Budget::default() => keep(file, &Totals::of(&report()?)),
            (None, _) => {}
            (Some((what, bytes, budget)), _) => {
                let cause = cause(last.and_then(recall).as_ref(), &Totals::of(&report()?));
                return Err(OverBudget { name: name.to_owned(), what, bytes, budget, cause }.into());
            }
        }
        Ok(())
    }

    fn exceeded(&self, sizes: &Sizes) -> Option<(&'static str, u64, u64)> {
        let is_over = |what, bytes, budget: Option<u64>| {
            budget.filter(|budget| bytes > *budget).map(|budget| (what, bytes, budget))
        };
        is_over("its module has", sizes.optimized, self.module)
            .or_else(|| is_over("its layers have, compressed,", sizes.compressed, self.image))
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

fn keep(file: &Path, totals: &Totals) {
    fs_err::create_dir_all(file.parent().unwrap_or(Path::new("."))).ok();
    if let Ok(json) = serde_json::to_vec(totals) {
        crate::files::write(file, &json).ok();
    }
}

fn recall(file: &Path) -> Option<Totals> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn cause(last: Option<&Totals>, now: &Totals) -> String {
    let growth = last.map(|last| (last.total, Diff::between(last, now)));
    let largest = |changes: &[Change]| changes.iter().find(|it| it.change > 0).cloned();
    let shown = |change: Change| format!("`{}` ({})", change.name, signed(change.change));
    if let Some((total, diff)) = growth
        && let Some(part) = largest(&diff.crates)
    {
        let function =
            largest(&diff.functions).map_or(String::new(), |it| format!(", function {}", shown(it)));
        return format!(
            "since it was within, with {}, crate {} has grown most{function}",
            size(total),
            shown(part)
        );
    }
    let crates = now.crates.iter().filter(|_| now.has_names);
    match crates.max_by_key(|(_, size)| **size) {
        Some((name, bytes)) => format!("its largest crate is `{name}` ({})", size(*bytes)),
        None => "it has no names, so that crates can't be told".to_owned(),
    }
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
        for wrong in [json!({"modul": "1 kB"}), json!(true), json!("much"), json!("-1 kB"), json!("")] {
            let error = setting(wrong.clone()).unwrap_err();
            assert!(error.contains("600 kB") || error.contains("600kB"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_has_grown_most_is_named() {
        let totals = |crates: &[(&str, u64)]| Totals {
            total: crates.iter().map(|(_, size)| size).sum(),
            has_names: true,
            crates: crates.iter().map(|&(name, size)| (name.to_owned(), size)).collect(),
            functions: crates.iter().map(|&(name, size)| (format!("{name}::f"), size)).collect(),
            ..Totals::default()
        };
        let (old, new) = (totals(&[("a", 900), ("b", 100)]), totals(&[("a", 800), ("b", 700)]));
        let expected =
            "since it was within, with 1.00 kB, crate `b` (+600 B) has grown most, function `b::f` (+600 B)";
        assert_eq!(cause(Some(&old), &new), expected);
        assert_eq!(cause(None, &new), "its largest crate is `a` (800 B)");
        assert_eq!(cause(Some(&new), &new), "its largest crate is `a` (800 B)");
        assert!(cause(Some(&old), &Totals { has_names: false, ..new }).contains("no names"));
    }
}
