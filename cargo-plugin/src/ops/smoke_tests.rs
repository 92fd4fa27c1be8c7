//! Suites of smoke tests: programs in built images, and the tests in their settings.

use wasm_oci_app::run::run::Prepared;
use wasm_oci_app::smoke::{Case, Suite};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::run::Engine;
use wasm_oci_core::text::visible;

use crate::cargo::project::Project;
use crate::error::Error;
use crate::ops::package::BuiltImages;

/// Returns a suite for each program with tests, from its image. With `verify_behaviour`, the suite also runs the unoptimized module
/// and compares both. `missing` shows a warning for each program without tests.
pub async fn suites(
    engine: &Engine,
    built: &[BuiltImages],
    verify_behaviour: bool,
    missing: Option<&Shell>,
) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    for program in built {
        let cases = &program.settings.smoke;
        if cases.is_empty() {
            missing.inspect(|shell| warn_of_none(&program.project, shell));
            continue;
        }
        // All formats hold the same module.
        // From the layout and not from memory, so that the tests run what will be pushed.
        let image = program.load_main().await?;
        let prepared =
            Prepared::of_manifest(engine, image.wasm_manifest()?)?.named_by(&program.debug_file);
        let reference =
            verify_behaviour.then(|| prepared.with_module(engine, &program.wasm)).transpose()?;
        suites.push(Suite { reference, ..suite(&program.project, prepared, cases) });
    }
    Ok(suites)
}

pub fn suite(project: &Project, program: Prepared, cases: &[Case]) -> Suite {
    Suite {
        package: Some(project.package.clone()),
        name: project.target.clone(),
        program,
        reference: None,
        cases: cases.to_vec(),
    }
}

pub fn warn_of_none(project: &Project, shell: &Shell) {
    shell.warn_lines(format_args!(
        "`{}` has no smoke tests: write one in {}, such as\n\n    [[package.metadata.wasm-oci.smoke]]\n    name = \"help\"\n    \
         args = [\"--help\"]\n    stdout = {{ contains = \"usage\" }}\n",
        visible(&project.target),
        visible(&project.manifest_path.display().to_string())
    ));
}
