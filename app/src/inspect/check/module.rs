//! Formats that each engine could run, for a module without an image.

use std::path::Path;

use serde_json::json;
use wasm_oci_core::compat::engines::{Engine, EngineSelector, Shape, formats_for};
use wasm_oci_core::compat::runtimes;
use wasm_oci_core::image::Format;
use wasm_oci_core::module::{Kind, Report};
use wasm_oci_core::text::visible;

use super::CheckArgs;
use super::text::{runtimes_text, table};
use crate::error::Error;
use crate::files::read_module;
use crate::pipeline::engines::{listed, refuse, selected};
use crate::pipeline::stages::{any_imports, notes};
use crate::ui::render::field;
use crate::ui::shell::Shell;

pub(super) fn check(path: &Path, args: &CheckArgs, shell: &Shell) -> Result<(), Error> {
    // No import is refused, because the report should say which runtimes lack it.
    let module = read_module(path)?;
    let empty_main = module.empty_main();
    let module = any_imports(module)?;
    let report = module.report();
    let notes = notes(report, empty_main);
    let file = path.display().to_string();
    let all = selected(&args.engines);
    match args.json {
        true => {
            let of = |engine: &Engine| json!({ "consumer": engine, "formats": names(*engine, report.kind) });
            let all: Vec<_> = all.iter().map(of).collect();
            shell.print_json(&json!({
                "source": file, "kind": report.kind, "notes": notes, "consumers": all, "runtimes": runtimes::check(report),
            }))?;
        }
        false => shell.print(text(&file, report, &notes, &all, &args.engines)?.trim_end())?,
    }
    // Every format fails on these engines, so the default format provides the reason.
    let left_out = all.into_iter().filter(|engine| names(*engine, report.kind).is_empty());
    let left_out =
        left_out.map(|engine| engine.check(&Shape::of_format(Format::default(), report.kind)));
    match args.engines.is_empty() {
        true => Ok(()),
        false => refuse(&file, &left_out.collect::<Vec<_>>()),
    }
}

fn names(engine: Engine, kind: Kind) -> Vec<&'static str> {
    engine.formats(kind).map(Format::name).collect()
}

fn text(
    file: &str,
    report: &Report,
    notes: &[String],
    all: &[Engine],
    engines: &[EngineSelector],
) -> Result<String, Error> {
    let mut text = String::new();
    field(&mut text, "module", file);
    field(&mut text, "kind", report.kind.name());
    notes.iter().for_each(|note| field(&mut text, "note", note));
    let row = |engine: &Engine| {
        let formats = names(*engine, report.kind);
        match formats.is_empty() {
            true => (engine.name(), "fails", "can't run it in any format".to_owned()),
            false => (engine.name(), "ok", format!("as {}", formats.join(", "))),
        }
    };
    table(&mut text, &all.iter().map(row).collect::<Vec<_>>());
    for (format, selectors) in formats_for(engines)? {
        let names = listed(selectors.iter().map(|selector| selector.name()));
        let push = format!("wasm-oci push {file} REFERENCE --format {format}");
        text.push_str(&format!("\nfor {names}: {}\n", visible(&push)));
    }
    runtimes_text(&mut text, &runtimes::check(report));
    Ok(text)
}
