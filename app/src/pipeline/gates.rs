//! Gates for images that exist: the same that `pack` has for a new module, for every program that an engine may start.

use wasm_oci_core::compat::runtimes::{RequiredRuntime, require};
use wasm_oci_core::image::{Image, ImageProgram, several_programs};
use wasm_oci_core::module::{ValidateOptions, ValidatedModule, validate};

use crate::error::Error;
use crate::pipeline::standalone::require_own;
use crate::ui::shell::Shell;

/// Validates all programs of an image, and returns those that are WebAssembly: that of its Wasm manifest first.
///
/// Another program that is native code, or that can't be read, is a warning. It is an error if something is denied or a
/// runtime is required, because such a gate refuses what it can't judge. Of the native programs of a standalone image, such a
/// gate then also requires that they are what this version makes of the module.
pub fn judge(
    image: &Image,
    options: &ValidateOptions,
    runtimes: &[RequiredRuntime],
    shell: &Shell,
) -> Result<Vec<ValidatedModule>, Error> {
    let programs = image.programs()?;
    warn_of_several(&programs, shell);
    let has_gate = !options.deny.is_empty() || !runtimes.is_empty();
    let mut judged = Vec::new();
    for ImageProgram { place, module, .. } in programs {
        match module {
            Ok(module) => {
                // As it is: the result has to apply to these bytes, not to those after optimizing.
                let module = validate(module.unoptimized(), options)?;
                require(&module, runtimes)?;
                judged.push(module);
            }
            // The first one is what `wasm-oci run` starts.
            Err(error) if judged.is_empty() => return Err(error.into()),
            Err(source) if has_gate => {
                return Err(Error::NotJudged { place, source });
            }
            Err(error) => shell.warn(format_args!("{place} was not validated: {error}")),
        }
    }
    if has_gate {
        let natives = image.native_programs()?;
        natives.into_iter().try_for_each(|(manifest, content)| require_own(manifest, content))?;
    }
    Ok(judged)
}

/// Warns if it depends on the engine which program of an image it starts.
pub fn warn_of_several(programs: &[ImageProgram], shell: &Shell) {
    if let Some(sentence) = several_programs(programs) {
        shell.warn(sentence);
    }
}
