//! Settings: any `[package.metadata.wasm-oci]`, up to the plan and the document that an error or `--dry-run` prints.
#![no_main]

use std::path::Path;

use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;

fuzz_target!(|text: &str| -> Corpus {
    let Ok(table) = toml::from_str(text) else { return Corpus::Reject };
    // No file is there, so that none is read.
    let folder = Path::new("/nowhere");
    let settings = match Settings::from_metadata(&table, "app", "the table", folder) {
        Ok(settings) => settings,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Corpus::Keep;
        }
    };
    // Over nothing, settings stay as they are.
    assert_eq!(settings.clone().over(Settings::default()), settings);
    if let Ok(plan) = Plan::resolve("app", &settings) {
        let _shown = plan.to_json();
        for &format in &plan.formats {
            let _tags = plan.tags_of(format);
        }
    }
    Corpus::Keep
});
