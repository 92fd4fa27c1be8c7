//! Native parts of standalone images: runners, and the code that is compiled for them.

use fs_err as fs;
use wasm_oci_core::image::{
    Architecture, Format, ImageSettings, Manifest, NativeContent, NativeProgram, Platform,
};
use wasm_oci_core::module::{ValidateOptions, ValidatedModule, validate};
use wasm_oci_core::run::{engine_version, precompile};
use wasm_oci_core::trace::OrTrace;

use crate::config::runner::Runner;
use crate::error::{Error, UsageError};
use crate::runner::{RunnerKind, RunnerVariant};
use crate::ui::shell::Shell;

/// Adds the native parts that images in these formats need to their settings: compiles the module for each of the platforms, and
/// reads the runners for it. `downloads` allows to download what building a runner needs.
pub fn add_natives(
    settings: &mut ImageSettings,
    formats: &[Format],
    module: &ValidatedModule,
    runners: &[Runner],
    downloads: bool,
    shell: &Shell,
) -> Result<(), Error> {
    if !formats.contains(&Format::Standalone) {
        return Ok(());
    }
    let is_http = |name: &str| name.starts_with("wasi:http/");
    let serves = module.report().exports.iter().any(|export| is_http(&export.name));
    let sends = module.report().imports.iter().any(|import| is_http(&import.name));
    let kind = if serves || sends { RunnerKind::Http } else { RunnerKind::Command };
    let native = |platform: &Platform| {
        let architecture = architecture(platform)?;
        let given = runners.iter().find(|runner| runner.architecture == architecture);
        let runner = match given {
            Some(given) => given.clone(),
            None => Runner::read(&RunnerVariant { kind, architecture }.find(downloads, shell)?)?,
        };
        Ok(NativeProgram {
            architecture,
            runner: runner.bytes,
            code: precompile(module, architecture)?.into(),
            engine: engine_version(),
            serves,
        })
    };
    settings.natives = settings.linux_platforms.iter().map(native).collect::<Result<_, Error>>()?;
    Ok(())
}

fn architecture(platform: &Platform) -> Result<Architecture, Error> {
    let found = Architecture::ALL.into_iter().find(|it| it.platform() == *platform);
    found.ok_or_else(|| UsageError::NoRunner { platform: platform.to_string() }.into())
}

/// Refuses a native manifest whose runner is not that of this version, or whose code is not what this version compiles from
/// its module.
pub fn require_own(manifest: &Manifest, content: NativeContent) -> Result<(), Error> {
    let platform =
        manifest.config().platform.clone().unwrap_or_else(|| Platform::new("linux", "unknown"));
    let refused = |reason| Error::UnknownCode { platform: platform.to_string(), reason };
    let architecture = architecture(&platform)?;
    let NativeContent { module, runner, code } = content;
    let module = validate(module.unoptimized(), &ValidateOptions::any_import())?;
    if code != precompile(&module, architecture)? {
        return Err(refused("its code is not what this version compiles from its module"));
    }
    let is_own = |kind| {
        let file =
            RunnerVariant { kind, architecture }.present().or_trace("find a runner").flatten();
        file.and_then(|file| fs::read(file).ok()).is_some_and(|own| own == runner)
    };
    match RunnerKind::ALL.into_iter().any(is_own) {
        true => Ok(()),
        false => Err(refused("its runner is not known to be that of this version")),
    }
}
