//! Compose files.

use clap::{Args, ValueEnum};

use super::{Workload, head};
use crate::deploy::yaml::edit::Edits;
use crate::deploy::yaml::{NodeId, Stream, Value, list, map};
use crate::error::{Error, UsageError};

const PLATFORM: &str = "wasi/wasm";
const NETWORK_MODE: &str = "network_mode";

/// The network of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// The host's, which is the only one on which Docker 28 and later run Wasm
    #[default]
    Host,
    /// A network of its own with the other services, for Docker 26 and older
    Own,
}

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
    /// Network of the services: host, which Docker 28 and later need, or own, on which services find each other by name
    #[arg(
        long,
        value_enum,
        value_name = "NETWORK",
        default_value = "host",
        hide_possible_values = true
    )]
    pub network: Network,
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

    fn is_on_host(&self) -> bool {
        self.network == Network::Host
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
    let head = head(workloads, "cargo wasm-oci compose -f THIS | docker compose -f - up");
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
        (NETWORK_MODE, args.is_on_host().then(|| "host".into())),
        ("command", list(workload.args.iter().map(|arg| literal(arg)))),
        ("environment", (!variables.is_empty()).then_some(Value::Map(variables))),
        ("user", workload.user.as_deref().map(Value::from)),
        // Texts, because YAML 1.1 reads a pair such as 22:22 as one number to the base 60.
        // On the host's network, Docker ignores them: the program listens on the host itself.
        ("ports", list(port.filter(|_| !args.is_on_host()).map(|port| format!("{port}:{port}")))),
    ];
    pairs.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Map(pairs)
}

// Compose replaces `$NAME` in every value with a variable of the shell; `$$` is a plain `$`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// Adds missing keys to the services with an image that `is_ours`. Returns the names of those that should be on the host's
/// network, but have another one.
pub fn complete(
    stream: &Stream,
    edits: &mut Edits<'_>,
    is_ours: impl Fn(NodeId) -> bool,
    args: &ComposeArgs,
) -> Result<Vec<String>, crate::deploy::yaml::Error> {
    let mut on_others = Vec::new();
    for &document in stream.documents() {
        let Some((_, services)) = stream.get(document, "services") else { continue };
        for &(name, service) in stream.pairs(services) {
            let Some((key, image)) = stream.get(service, "image") else { continue };
            if is_ours(stream.resolved(image)) {
                // Only missing keys, because a service may need another platform or shim.
                let lacks = |key: &str| stream.get(service, key).is_none();
                let mut missing: Vec<_> = args.keys().filter(|(key, _)| lacks(key)).collect();
                // Compose refuses it next to networks, and Docker ignores ports there.
                let has_own = ["networks", "ports"].into_iter().any(|key| !lacks(key));
                match (args.is_on_host() && lacks(NETWORK_MODE), has_own) {
                    (true, false) => missing.push((NETWORK_MODE, "host")),
                    (true, true) => on_others.extend(stream.scalar(name).map(str::to_owned)),
                    (false, _) => {}
                }
                edits.insert(service, key, &missing)?;
            }
        }
    }
    Ok(on_others)
}

#[cfg(test)]
mod tests {
    use super::super::{Behaviour, SCHEME, Workload};
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
                        io.containerd.wasmtime.v1\n    network_mode: host\n    command:\n    - $$HOME\n    environment:\n      A: b$$c";
        assert_eq!(text.split_once('\n').unwrap().1, expected);
        let own = ComposeArgs { network: Network::Own, ..args() };
        let text = file(std::slice::from_ref(&workload), &own).unwrap();
        assert!(text.ends_with("ports:\n    - 8080:8080"), "{text}");
        assert!(!text.contains("network_mode"), "{text}");
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
    fn a_service_on_another_network_is_named() {
        let text = "services:\n  a: {image: wasm-oci://a, ports: ['1:1']}\n  b: {image: wasm-oci://a, network_mode: host}\n";
        let stream = Stream::read("compose.yaml", text.as_bytes().to_vec()).unwrap();
        let named = |network| {
            let args = ComposeArgs { network, ..args() };
            complete(&stream, &mut Edits::of(&stream), |_| true, &args).unwrap()
        };
        assert_eq!(named(Network::Host), ["a"]);
        assert!(named(Network::Own).is_empty());
    }

    #[test]
    fn what_is_there_stays() {
        let both = "    platform: wasi/wasm\n    runtime: io.containerd.wasmtime.v1\n    network_mode: host\n";
        assert_eq!(
            completed("services:\n  a:\n    image: wasm-oci://a\n  b:\n    image: postgres\n"),
            format!("services:\n  a:\n{both}    image: wasm-oci://a\n  b:\n    image: postgres\n")
        );
        let set =
            "services:\n  a: {image: wasm-oci://a, platform: x, runtime: y, network_mode: none}\n";
        assert_eq!(completed(set), set);
        let set =
            "services:\n  a: {image: wasm-oci://a, platform: x, runtime: y, ports: ['80:80']}\n";
        assert_eq!(completed(set), set);
        // An extension merged into a service.
        let merged = "x-wasm: &wasm\n  image: &i wasm-oci://a\n  runtime: y\nservices:\n  a:\n    <<: *wasm\n  b: *wasm\n";
        let expected = merged
            .replace("    <<:", "    platform: wasi/wasm\n    network_mode: host\n    <<:")
            .replace("  image:", "  platform: wasi/wasm\n  network_mode: host\n  image:");
        assert_eq!(completed(merged), expected);
        assert_eq!(completed("- a\n"), "- a\n");
    }
}
