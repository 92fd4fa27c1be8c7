//! Compose files.

use clap::{Args, ValueEnum};

use super::{Launch, Workload, head};
use crate::deploy::yaml::edit::Edits;
use crate::deploy::yaml::{NodeId, Stream, Value, list, map};
use crate::error::{Error, UsageError};

const PLATFORM: &str = "wasi/wasm";
const RUNTIME: &str = "io.containerd.wasmtime.v1";
const NETWORK_MODE: &str = "network_mode";

/// The network of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// The host's, which is the only one on which Docker 28 and later run Wasm
    Host,
    /// A network of its own with the other services, for Docker 26 and older
    Own,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Compose")]
pub struct ComposeArgs {
    /// Runtime whose shim Docker starts (default: io.containerd.wasmtime.v1; none for a standalone image)
    #[arg(long = "container-runtime", value_name = "NAME")]
    pub runtime: Option<String>,
    /// Leave out the platform, for Docker's classic image store, which needs the linux part of a universal image
    #[arg(long)]
    pub no_platform: bool,
    /// Network of the services: host, which shims need in Docker 28 and later, or own, on which services find each other by name
    /// (default: host; own for a standalone image)
    #[arg(long, value_enum, value_name = "NETWORK", hide_possible_values = true)]
    pub network: Option<Network>,
    /// Port to publish, for a program that listens (default for a program that serves HTTP: 8080)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Image reference to print instead of a placeholder; may contain {bin}, {package} and {version}
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,
}

impl ComposeArgs {
    // Docker chooses the manifest of an index by `platform`, and the shim by `runtime`.
    fn keys(&self, launch: Launch) -> impl Iterator<Item = (&'static str, &str)> {
        let by_shim = launch == Launch::Shim;
        let platform = (by_shim && !self.no_platform).then_some(("platform", PLATFORM));
        let runtime = self.runtime.as_deref().unwrap_or(RUNTIME);
        platform.into_iter().chain(by_shim.then_some(("runtime", runtime)))
    }

    fn is_on_host(&self, launch: Launch) -> bool {
        let default = if launch == Launch::Shim { Network::Host } else { Network::Own };
        self.network.unwrap_or(default) == Network::Host
    }

    /// Returns how Docker starts an image: one that brings a runner with a shim if a flag names one.
    fn launch(&self, launch: Launch) -> Launch {
        if self.runtime.is_some() { Launch::Shim } else { launch }
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
    let launch = args.launch(workload.launch);
    let workload = &Workload { launch, ..workload.clone() };
    let port = workload.port(args.port);
    let env = workload.variables(port);
    let variables =
        env.into_iter().map(|(name, value)| (name, literal(&value).into())).collect::<Vec<_>>();
    let mut pairs: Vec<(String, Value)> =
        vec![("image".to_owned(), workload.image.as_str().into())];
    pairs.extend(args.keys(launch).map(|(key, value)| (key.to_owned(), value.into())));
    let more = [
        (NETWORK_MODE, args.is_on_host(launch).then(|| "host".into())),
        ("command", list(workload.args.iter().map(|arg| literal(arg)))),
        ("environment", (!variables.is_empty()).then_some(Value::Map(variables))),
        ("user", workload.user.as_deref().map(Value::from)),
        // Texts, because YAML 1.1 reads a pair such as 22:22 as one number to the base 60.
        // On the host's network, Docker ignores them: the program listens on the host itself.
        (
            "ports",
            list(port.filter(|_| !args.is_on_host(launch)).map(|port| format!("{port}:{port}"))),
        ),
    ];
    pairs.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    Value::Map(pairs)
}

// Compose replaces `$NAME` in every value with a variable of the shell; `$$` is a plain `$`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// Adds missing keys to the services with an image of ours: one whose `launch` is known. Returns the names of those that should
/// be on the host's network, but have another one.
pub fn complete(
    stream: &Stream,
    edits: &mut Edits<'_>,
    launch: impl Fn(NodeId) -> Option<Launch>,
    args: &ComposeArgs,
) -> Result<Vec<String>, crate::deploy::yaml::Error> {
    let mut on_others = Vec::new();
    for &document in stream.documents() {
        let Some((_, services)) = stream.get(document, "services") else { continue };
        for &(name, service) in stream.pairs(services) {
            let Some((key, image)) = stream.get(service, "image") else { continue };
            if let Some(launch) = launch(stream.resolved(image)) {
                let launch = args.launch(launch);
                // Only missing keys, because a service may need another platform or shim.
                let lacks = |key: &str| stream.get(service, key).is_none();
                let mut missing: Vec<_> = args.keys(launch).filter(|(key, _)| lacks(key)).collect();
                // Compose refuses it next to networks, and Docker ignores ports there.
                let has_own = ["networks", "ports"].into_iter().any(|key| !lacks(key));
                match (args.is_on_host(launch) && lacks(NETWORK_MODE), has_own) {
                    (true, false) => missing.push((NETWORK_MODE, "host")),
                    (true, true) if launch == Launch::Shim => {
                        on_others.extend(stream.scalar(name).map(str::to_owned))
                    }
                    (_, _) => {}
                }
                edits.insert(service, key, &missing)?;
            }
        }
    }
    Ok(on_others)
}

#[cfg(test)]
mod tests {
    use super::super::{SCHEME, Workload};
    use super::*;

    fn args() -> ComposeArgs {
        ComposeArgs::default()
    }

    fn web() -> Workload {
        Workload {
            name: "web".to_owned(),
            image: "wasm-oci://web".to_owned(),
            args: vec!["$HOME".to_owned()],
            env: [("A".to_owned(), "b$c".to_owned())].into(),
            ..Workload::example(Launch::Shim)
        }
    }

    #[test]
    fn a_service_says_how_it_runs() {
        let workload = web();
        let text = file(std::slice::from_ref(&workload), &args()).unwrap();
        let expected = "services:\n  web:\n    image: wasm-oci://web\n    platform: wasi/wasm\n    runtime: \
                        io.containerd.wasmtime.v1\n    network_mode: host\n    command:\n    - $$HOME\n    environment:\n      A: b$$c";
        assert_eq!(text.split_once('\n').unwrap().1, expected);
        let own = ComposeArgs { network: Some(Network::Own), ..args() };
        let text = file(std::slice::from_ref(&workload), &own).unwrap();
        assert!(text.ends_with("ports:\n    - 8080:8080"), "{text}");
        assert!(!text.contains("network_mode"), "{text}");
        assert!(file(&[workload.clone(), workload], &args()).is_err());
    }

    #[test]
    fn a_standalone_image_runs_as_every_other_unless_a_flag_names_a_shim() {
        let standalone = Workload { launch: Launch::Runner, ..web() };
        let of = |args: &ComposeArgs| file(std::slice::from_ref(&standalone), args).unwrap();
        let expected = "services:\n  web:\n    image: wasm-oci://web\n    command:\n    - $$HOME\n    environment:\n      \
                        A: b$$c\n    ports:\n    - 8080:8080";
        assert_eq!(of(&args()).split_once('\n').unwrap().1, expected);
        let other = of(&ComposeArgs { port: Some(9000), ..args() });
        assert!(other.contains("PORT: \"9000\"\n") && other.contains("9000:9000"), "{other}");
        let on_host = of(&ComposeArgs { network: Some(Network::Host), ..args() });
        assert!(on_host.contains("network_mode: host\n"), "{on_host}");
        assert!(!on_host.contains("ports:") && !on_host.contains("runtime:"), "{on_host}");
        let with_shim = of(&ComposeArgs { runtime: Some("shim".to_owned()), ..args() });
        assert!(with_shim.contains("platform: wasi/wasm\n    runtime: shim\n"), "{with_shim}");

        let text = "services:\n  a:\n    image: wasm-oci://a\n    ports: ['1:1']\n";
        let stream = Stream::read("compose.yaml", text.as_bytes().to_vec()).unwrap();
        let mut edits = Edits::of(&stream);
        let warned = complete(&stream, &mut edits, |_| Some(Launch::Runner), &args()).unwrap();
        assert_eq!((warned.as_slice(), edits.apply().unwrap().as_str()), (&[][..], text));
    }

    fn completed(text: &str) -> String {
        let stream = Stream::read("compose.yaml", text.as_bytes().to_vec()).unwrap();
        let mut edits = Edits::of(&stream);
        let is_ours = |node| stream.scalar(node).is_some_and(|text| text.starts_with(SCHEME));
        let launch = |node| is_ours(node).then_some(Launch::Shim);
        complete(&stream, &mut edits, launch, &args()).unwrap();
        edits.apply().unwrap()
    }

    #[test]
    fn a_service_on_another_network_is_named() {
        let text = "services:\n  a: {image: wasm-oci://a, ports: ['1:1']}\n  b: {image: wasm-oci://a, network_mode: host}\n";
        let stream = Stream::read("compose.yaml", text.as_bytes().to_vec()).unwrap();
        let named = |network| {
            let args = ComposeArgs { network: Some(network), ..args() };
            complete(&stream, &mut Edits::of(&stream), |_| Some(Launch::Shim), &args).unwrap()
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
