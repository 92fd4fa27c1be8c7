//! A module that is in no image yet: which formats each consumer would take.

use std::path::Path;

use serde_json::json;
use wasm_oci_core::compat::engines::{Audience, Consumer, Shape, formats_for};
use wasm_oci_core::image::Format;
use wasm_oci_core::module::{BuiltModule, Kind, Report};

use super::CheckArgs;
use super::text::{runtimes, table};
use crate::error::Error;
use crate::pipeline::engines::{consumers, listed, refuse};
use crate::pipeline::stages::any_imports;
use crate::ui::render::field;
use crate::ui::shell::Shell;

/// Checks a file, and prints the result.
pub(super) fn check(path: &Path, args: &CheckArgs, shell: &Shell) -> Result<(), Error> {
    let module = any_imports(BuiltModule::read(path)?)?;
    let report = module.report();
    let file = path.display().to_string();
    let all = consumers(&args.audience);
    match args.json {
        true => {
            let of = |consumer: &Consumer| json!({ "consumer": consumer, "formats": names(*consumer, report.kind) });
            let all: Vec<_> = all.iter().map(of).collect();
            shell.print_json(&json!({
                "source": file, "kind": report.kind, "consumers": all, "runtimes": report.runtimes,
            }))?;
        }
        false => shell.print(text(&file, report, &all, &args.audience)?.trim_end())?,
    }
    // Where every format fails, the first is as good a reason as any.
    let left_out = all.into_iter().filter(|consumer| names(*consumer, report.kind).is_empty());
    let left_out =
        left_out.map(|consumer| consumer.judge(&Shape::of_format(Format::default(), report.kind)));
    match args.audience.is_empty() {
        true => Ok(()),
        false => refuse(&file, &left_out.collect::<Vec<_>>()),
    }
}

fn names(consumer: Consumer, kind: Kind) -> Vec<&'static str> {
    consumer.formats(kind).map(Format::name).collect()
}

fn text(
    file: &str,
    report: &Report,
    all: &[Consumer],
    audience: &[Audience],
) -> Result<String, Error> {
    let mut text = String::new();
    field(&mut text, "module", file);
    field(&mut text, "kind", report.kind.name());
    let row = |consumer: &Consumer| {
        let formats = names(*consumer, report.kind);
        match formats.is_empty() {
            true => (consumer.name(), "fails", "takes it in no format".to_owned()),
            false => (consumer.name(), "ok", format!("as {}", formats.join(", "))),
        }
    };
    table(&mut text, &all.iter().map(row).collect::<Vec<_>>());
    for (format, takers) in formats_for(audience)? {
        let takers: Vec<&str> = takers.iter().map(|taker| taker.name()).collect();
        text.push_str(&format!(
            "\nfor {}: wasm-oci push {file} REFERENCE --format {format}\n",
            listed(&takers)
        ));
    }
    runtimes(&mut text, &report.runtimes);
    Ok(text)
}
