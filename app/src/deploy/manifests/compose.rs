//! Compose files.

use clap::Args;

use super::{SCHEME, Workload};
use crate::deploy::yaml::edit::Edits;
use crate::deploy::yaml::{NodeId, Stream, Value, list, map};
use crate::error::{Error, UsageError};

const PLATFORM: &str = "wasi/wasm";

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Compose")]
pub struct ComposeArgs {
    /// Runtime whose shim Docker starts
    #[arg(
        long = "container-runtime",
        value_name = "NAME",
        default_value = "io.containerd.wasmtime.v1"
    )]
    pub runtime: String,
    /// Leave out the platform, for Docker's classic image store, which needs the linux part of a universal image
    #[arg(long)]
    pub no_platform: bool,
    /// Port to publish, for a program that listens (default for a program that serves HTTP: 8080)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Image reference to print instead of a placeholder; may contain {bin}, {package} and {version}
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,
}

impl ComposeArgs {
    // Docker chooses the manifest of an index by `platform`, and the shim by `runtime`.
    fn keys(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let platform = (!self.no_platform).then_some(("platform", PLATFORM));
        platform.into_iter().chain([("runtime", self.runtime.as_str())])
    }
}

/// Returns a file with a service for each program.
pub fn file(workloads: &[Workload], args: &ComposeArgs) -> Result<String, Error> {
    let mut services: Vec<(String, Value)> = Vec::new();
    for workload in workloads {
        // A key can occur only once in a mapping (YAML 1.2, section 3.2.1.1).
        if services.iter().any(|(name, _)| *name == workload.name) {
            let name = || workload.name.clone();
            let error = UsageError::SameName { first: name(), second: name(), name: name() };
            return Err(error.into());
        }
        services.push((workload.name.clone(), service(workload, args)));
    }
    let is_open = workloads.iter().any(|workload| workload.image.starts_with(SCHEME));
    let head = if is_open {
        "# To build and push the images: cargo wasm-oci compose -f THIS | docker compose -f - up\n"
    } else {
        ""
    };
    let file = map([("services", Some(Value::Map(services)))]).to_yaml();
    Ok(format!("{head}{}", file.trim_end()))
}

fn service(workload: &Workload, args: &ComposeArgs) -> Value {
    let port = workload.port(args.port);
    let env = workload.variables(port);
    let variables =
        env.into_iter().map(|(name, value)| (name, literal(&value).into())).collect::<Vec<_>>();
    let mut pairs: Vec<(String, Value)> =
        vec![("image".to_owned(), workload.image.as_str().into())];
    pairs.extend(args.keys().map(|(key, value)| (key.to_owned(), value.into())));
    let more = [
        ("command", list(workload.args.iter().map(|arg| literal(arg)))),
        ("environment", (!variables.is_empty()).then_some(Value::Map(variables))),
        ("user", workload.user.as_deref().map(Value::from)),
        // Texts, because YAML 1.1 reads a pair such as 22:22 as one number to the base 60.
        ("ports", list(port.map(|port| format!("{port}:{port}")))),
    ];
    pairs.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Map(pairs)
}

// Compose replaces `$NAME` in every value with a variable of the shell; `$$` is a plain `$`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// Adds missing keys to the services with an image that `is_ours`.
pub fn complete(
    stream: &Stream,
    edits: &mut Edits<'_>,
    is_ours: impl Fn(NodeId) -> bool,
    args: &ComposeArgs,
) -> Result<(), crate::deploy::yaml::Error> {
    for &document in stream.documents() {
        let Some((_, services)) = stream.get(document, "services") else { continue };
        for &(_, service) in stream.pairs(services) {
            let Some((key, image)) = stream.get(service, "image") else { continue };
            if is_ours(stream.resolved(image)) {
                // Only missing keys, because a service may need another platform or shim.
                let missing: Vec<_> =
                    args.keys().filter(|(key, _)| stream.get(service, key).is_none()).collect();
                edits.insert(service, key, &missing)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Behaviour, Workload};
    use super::*;

    fn args() -> ComposeArgs {
        ComposeArgs { runtime: "io.containerd.wasmtime.v1".to_owned(), ..ComposeArgs::default() }
    }

    #[test]
    fn a_service_says_how_it_runs() {
        let workload = Workload {
            name: "web".to_owned(),
            version: None,
            part_of: None,
            image: "wasm-oci://web".to_owned(),
            args: vec!["$HOME".to_owned()],
            env: [("A".to_owned(), "b$c".to_owned())].into(),
            user: None,
            behaviour: Behaviour::ServesHttp,
        };
        let text = file(std::slice::from_ref(&workload), &args()).unwrap();
        let expected = "services:\n  web:\n    image: wasm-oci://web\n    platform: wasi/wasm\n    runtime: \
                        io.containerd.wasmtime.v1\n    command:\n    - $$HOME\n    environment:\n      A: \
                        b$$c\n    ports:\n    - 8080:8080";
        assert_eq!(text.split_once('\n').unwrap().1, expected);
        assert!(file(&[workload.clone(), workload], &args()).is_err());
    }

    fn completed(text: &str) -> String {
        let stream = Stream::read("compose.yaml", text.as_bytes().to_vec()).unwrap();
        let mut edits = Edits::of(&stream);
        let is_ours = |node| stream.scalar(node).is_some_and(|text| text.starts_with(SCHEME));
        complete(&stream, &mut edits, is_ours, &args()).unwrap();
        edits.apply().unwrap()
    }

    #[test]
    fn what_is_there_stays() {
        let both = "    platform: wasi/wasm\n    runtime: io.containerd.wasmtime.v1\n";
        assert_eq!(
            completed("services:\n  a:\n    image: wasm-oci://a\n  b:\n    image: postgres\n"),
            format!("services:\n  a:\n{both}    image: wasm-oci://a\n  b:\n    image: postgres\n")
        );
        let set = "services:\n  a: {image: wasm-oci://a, platform: x, runtime: y}\n";
        assert_eq!(completed(set), set);
        // An extension merged into a service.
        let merged = "x-wasm: &wasm\n  image: &i wasm-oci://a\n  runtime: y\nservices:\n  a:\n    <<: *wasm\n  b: *wasm\n";
        let expected = merged
            .replace("    <<:", "    platform: wasi/wasm\n    <<:")
            .replace("  image:", "  platform: wasi/wasm\n  image:");
        assert_eq!(completed(merged), expected);
        assert_eq!(completed("- a\n"), "- a\n");
    }
}
