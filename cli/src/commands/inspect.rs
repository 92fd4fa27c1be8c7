use clap::Args;
use serde_json::{Value, json};
use wasm_oci_core::image::{Blob, ENGINE, Image, Manifest, Platform};
use wasm_oci_core::module::ValidatedModule;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::module_or_image_help;
use wasm_oci_app::error::Error;
use wasm_oci_app::files::read_module;
use wasm_oci_app::pipeline::gates::warn_of_several;
use wasm_oci_app::pipeline::stages::any_imports;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::registry::source::load_image;
use wasm_oci_app::run::run::warn_of_image;
use wasm_oci_app::ui::render::{ReportJson, field, report};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_app::units::size;

/// Show imports, exports, features, sizes and configuration of a module or an image
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-oci inspect app.wasm
  wasm-oci inspect oci:app.oci
  wasm-oci inspect ghcr.io/me/app:1.0 --json")]
pub(crate) struct Inspect {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Module or image to inspect"))]
    source: Location,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    read: ReadArgs,
}

impl Inspect {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        if let Location::File(path) = &self.source {
            // Inspecting refuses no import; `validate` does.
            let module = any_imports(read_module(path)?)?;
            return match self.json {
                true => shell.print_json(&json!({ "module": ReportJson::of(&module)? })),
                false => shell.print(report(&module)?.trim_end()),
            };
        }
        let connections = self.read.connections(shell)?;
        let image = load_image(&self.source, &connections).await?;
        let module = any_imports(image.wasm_manifest()?.module()?)?;
        warn_of_image(image.wasm_manifest()?, shell);
        warn_of_several(&image.programs()?, shell);
        match self.json {
            true => shell.print_json(&image_json(&image, &module)?),
            false => shell.print(image_text(&image, &module)?.trim_end()),
        }
    }
}

fn image_text(image: &Image, module: &ValidatedModule) -> Result<String, Error> {
    let mut text = String::new();
    // The manifests of a universal image differ only in their platform, so the details of one are enough.
    let manifest = image.wasm_manifest()?;
    let config = manifest.config();
    field(&mut text, "digest", &image.digest().to_string());
    field(&mut text, "format", image.format().name());
    field(&mut text, "image size", &size(image.size()));
    let platforms: Vec<String> = platforms(image).map(Platform::to_string).collect();
    field(&mut text, "platforms", &platforms.join(", "));
    for layer in manifest.layers() {
        let descriptor = layer.descriptor();
        field(
            &mut text,
            "layer",
            &format!("{} {} {}", descriptor.digest, size(descriptor.size), descriptor.media_type),
        );
    }
    for native in image.manifests().iter().filter(|manifest| manifest.is_native()) {
        field(&mut text, "native", &native_program(native));
    }
    if let Some(created) = &config.created {
        field(&mut text, "created", created);
    }
    field(&mut text, "entrypoint", &config.entrypoint.join(" "));
    if !config.args.is_empty() {
        field(&mut text, "args", &config.args.join(" "));
    }
    for (name, value) in &config.env {
        field(&mut text, "env", &format!("{name}={value}"));
    }
    if let Some(user) = &config.user {
        field(&mut text, "user", user);
    }
    if let Some(folder) = &config.working_dir {
        field(&mut text, "workdir", folder);
    }
    for (name, value) in config.other.iter() {
        field(&mut text, "config", &format!("{name}={value}"));
    }
    for (name, value) in &config.labels {
        field(&mut text, "label", &format!("{name}={value}"));
    }
    for (name, value) in manifest.annotations() {
        field(&mut text, "annotation", &format!("{name}={value}"));
    }
    text.push_str(&report(module)?);
    Ok(text)
}

/// Returns what a native manifest starts: `linux/amd64: wasmtime 48.0.8, runner 1.23 MB, code 90.1 kB`.
fn native_program(manifest: &Manifest) -> String {
    let platform = manifest.config().platform.as_ref().map(Platform::to_string);
    let mut parts = vec![format!("{}:", platform.unwrap_or_default())];
    parts.extend(manifest.annotations().get(ENGINE).map(|engine| format!("{engine},")));
    // Our images have the runner first and the code last.
    if let [runner, .., code] = manifest.layers() {
        let size = |blob: &Blob| size(blob.descriptor().size);
        parts.push(format!("runner {}, code {}", size(runner), size(code)));
    }
    parts.join(" ")
}

fn platforms(image: &Image) -> impl Iterator<Item = &Platform> {
    image.manifests().iter().filter_map(|manifest| manifest.config().platform.as_ref())
}

fn image_json(image: &Image, module: &ValidatedModule) -> Result<Value, Error> {
    Ok(json!({
        "digest": image.digest(),
        "format": image.format().name(),
        "size": image.size(),
        "manifests": image.manifests().iter().map(manifest_json).collect::<Vec<_>>(),
        "module": ReportJson::of(module)?,
    }))
}

fn manifest_json(manifest: &Manifest) -> Value {
    let config = manifest.config();
    let layer = |layer: &Blob| {
        let descriptor = layer.descriptor();
        json!({
            // The keys are those of a descriptor in image-spec.
            "mediaType": descriptor.media_type.as_str(),
            "digest": descriptor.digest,
            "size": descriptor.size,
        })
    };
    json!({
        "digest": manifest.blob().descriptor().digest,
        "platform": config.platform.as_ref().map(Platform::to_string),
        "created": config.created,
        "author": config.author,
        "entrypoint": config.entrypoint,
        "args": config.args,
        "env": config.env,
        "user": config.user,
        "workingDir": config.working_dir,
        "config": config.other,
        "labels": config.labels,
        "annotations": manifest.annotations(),
        "layers": manifest.layers().iter().map(layer).collect::<Vec<_>>(),
    })
}
