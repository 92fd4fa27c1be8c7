//! Manifests for Kubernetes.

mod complete;
mod names;
mod objects;
mod variants;

use clap::{Args, ValueEnum};

use super::{Launch, Workload, head};
use crate::deploy::yaml::{Value, map};
use crate::error::{Error, UsageError};
use names::object_name;
use objects::Objects;

pub use complete::complete;
pub use names::runtime_class_name;
pub use variants::{Variant, VariantName, of_variants};

const DEFAULT_HANDLER: &str = "wasmtime";

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesArgs {
    /// Kind of workload (default: a deployment with a service for a program that serves HTTP, otherwise a job)
    #[arg(long, value_enum)]
    pub kind: Option<WorkloadKind>,
    /// Schedule of a cron job, such as "*/5 * * * *"
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Name of the Wasm runtime in the configuration of containerd, such as wasm or spin (default: wasmtime; none for a standalone image)
    #[arg(long, value_name = "NAME", value_parser = runtime_class_name)]
    pub handler: Option<String>,
    /// Name of the RuntimeClass (default: the name of the handler; none for a standalone image)
    #[arg(long, value_name = "NAME", value_parser = runtime_class_name)]
    pub runtime_class: Option<String>,
    /// Leave out the RuntimeClass, for a cluster that already has it
    #[arg(long)]
    pub no_runtime_class: bool,
    /// Namespace of all objects except the RuntimeClass, which belongs to no namespace
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Number of replicas of a deployment
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub replicas: u32,
    /// Port that the program, its shim or its runner listens on (default for a program that serves HTTP: 8080)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Image reference to print instead of a placeholder; may contain {bin}, {package} and {version}
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// Runs continuously; the cluster restarts it when it ends
    Deployment,
    /// Runs once, to completion
    Job,
    /// Runs to completion on a schedule
    Cronjob,
}

/// Returns the manifests of some programs as one text of several documents.
pub fn manifests(workloads: &[Workload], args: &KubernetesArgs) -> Result<String, Error> {
    let mut documents = Vec::new();
    for (n, workload) in workloads.iter().enumerate() {
        let name = object_name(&workload.name);
        // Two names may become one when characters that Kubernetes forbids are replaced.
        if let Some(other) = workloads[..n].iter().find(|other| object_name(&other.name) == name) {
            let (first, second) = (other.name.clone(), workload.name.clone());
            return Err(UsageError::SameName { first, second, name }.into());
        }
        let class = class_of(workload, args);
        let objects =
            Objects { name, variant: None, class, replicas: args.replicas, workload, args };
        documents.extend(objects.all()?);
    }
    let needs_class = workloads.iter().any(|workload| class_of(workload, args).is_some());
    let head = head(workloads, "cargo wasm-oci resolve -f THIS | kubectl apply -f -");
    Ok(printed(&head, needs_class, &documents, args))
}

/// Prints the documents after the RuntimeClass, if they need one.
fn printed(head: &str, needs_class: bool, documents: &[Value], args: &KubernetesArgs) -> String {
    // First, because Kubernetes rejects pods whose RuntimeClass does not exist yet.
    let class = (needs_class && !args.no_runtime_class).then(|| runtime_class(args));
    let texts: Vec<String> = class.iter().chain(documents).map(Value::to_yaml).collect();
    format!("{head}{}", texts.join("---\n").trim_end())
}

fn runtime_class(args: &KubernetesArgs) -> Value {
    // A RuntimeClass belongs to the whole cluster, so it has no namespace.
    map([
        ("apiVersion", Some("node.k8s.io/v1".into())),
        ("kind", Some("RuntimeClass".into())),
        ("metadata", Some(map([("name", Some(class_name(args).into()))]))),
        ("handler", Some(args.handler.as_deref().unwrap_or(DEFAULT_HANDLER).into())),
    ])
}

fn class_name(args: &KubernetesArgs) -> &str {
    args.runtime_class.as_deref().or(args.handler.as_deref()).unwrap_or(DEFAULT_HANDLER)
}

/// Returns the RuntimeClass of a program. One that starts without a shim has none, unless a flag names it.
fn class_of<'a>(workload: &Workload, args: &'a KubernetesArgs) -> Option<&'a str> {
    let is_asked = args.runtime_class.is_some() || args.handler.is_some();
    (workload.launch == Launch::Shim || is_asked).then(|| class_name(args))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Behaviour, Launch};
    use super::*;

    fn workload(behaviour: Behaviour) -> Workload {
        Workload {
            name: "My_app".to_owned(),
            version: Some("1.0.0-rc.1+5".to_owned()),
            args: vec!["--to".to_owned(), "$(HOME)".to_owned()],
            env: BTreeMap::from([("LEVEL".to_owned(), "1".to_owned())]),
            behaviour,
            ..Workload::example(Launch::Shim)
        }
    }

    fn args() -> KubernetesArgs {
        KubernetesArgs {
            handler: Some("wasm".to_owned()),
            replicas: 2,
            ..KubernetesArgs::default()
        }
    }

    fn printed_as(behaviour: Behaviour, args: &KubernetesArgs) -> String {
        manifests(&[workload(behaviour)], args).unwrap()
    }

    #[test]
    fn what_is_printed_is_what_the_program_is() {
        let job = printed_as(Behaviour::RunsToCompletion, &args());
        assert!(job.contains("kind: RuntimeClass\n") && job.contains("handler: wasm\n"), "{job}");
        assert!(job.contains("kind: Job\n") && job.contains("name: my-app\n"), "{job}");
        assert!(job.contains("- $$(HOME)\n") && job.contains("value: \"1\"\n"), "{job}");
        assert!(
            job.contains("version: 1.0.0-rc.1_5\n") || job.contains("version: \"1.0.0-rc.1_5\"\n"),
            "{job}"
        );
        assert!(!job.contains("ports:"), "{job}");
        let http =
            printed_as(Behaviour::ServesHttp, &KubernetesArgs { port: Some(9000), ..args() });
        assert!(http.contains("kind: Deployment\n") && http.contains("kind: Service\n"), "{http}");
        assert!(
            http.contains("value: 0.0.0.0:9000\n") && http.contains("containerPort: 9000\n"),
            "{http}"
        );
        let named = KubernetesArgs {
            runtime_class: Some("other".to_owned()),
            no_runtime_class: true,
            namespace: Some("shop".to_owned()),
            schedule: Some("@daily".to_owned()),
            ..args()
        };
        let cron = printed_as(Behaviour::RunsToCompletion, &named);
        assert!(
            cron.contains("runtimeClassName: other\n") && !cron.contains("kind: RuntimeClass"),
            "{cron}"
        );
        assert!(
            cron.contains("namespace: shop\n") && cron.contains("schedule: \"@daily\"\n"),
            "{cron}"
        );
    }

    #[test]
    fn a_standalone_image_needs_no_class_unless_a_flag_names_one() {
        let of = |args: &KubernetesArgs| {
            let standalone = Workload { launch: Launch::Runner, ..workload(Behaviour::ServesHttp) };
            manifests(&[standalone], args).unwrap()
        };
        let plain = KubernetesArgs { replicas: 1, ..KubernetesArgs::default() };
        let http = of(&plain);
        assert!(!http.contains("untimeClass"), "{http}");
        assert!(http.contains("containerPort: 8080\n") && !http.contains("PORT"), "{http}");
        let port = of(&KubernetesArgs { port: Some(9000), ..plain.clone() });
        assert!(port.contains("name: PORT\n          value: \"9000\"\n"), "{port}");
        let named = KubernetesArgs { runtime_class: Some("shim".to_owned()), ..plain };
        let named = of(&named);
        assert!(named.contains("handler: wasmtime\n"), "{named}");
        assert!(named.contains("runtimeClassName: shim\n"), "{named}");
        // One with a shim, and one without.
        let both = [
            workload(Behaviour::RunsToCompletion),
            Workload {
                name: "b".to_owned(),
                launch: Launch::Runner,
                ..workload(Behaviour::RunsToCompletion)
            },
        ];
        let both = manifests(&both, &KubernetesArgs::default()).unwrap();
        assert_eq!(both.matches("kind: RuntimeClass\n").count(), 1, "{both}");
        assert_eq!(both.matches("runtimeClassName: wasmtime\n").count(), 1, "{both}");
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        let error = |args: &KubernetesArgs, behaviour| {
            manifests(&[workload(behaviour)], args).unwrap_err().to_string()
        };
        let cron = KubernetesArgs { kind: Some(WorkloadKind::Cronjob), ..args() };
        assert!(error(&cron, Behaviour::RunsToCompletion).contains("--schedule"));
        let wrong = KubernetesArgs { schedule: Some("daily".to_owned()), ..args() };
        assert!(error(&wrong, Behaviour::RunsToCompletion).contains("`daily` is not a schedule"));
        let both = KubernetesArgs {
            kind: Some(WorkloadKind::Job),
            schedule: Some("@daily".to_owned()),
            ..args()
        };
        assert!(error(&both, Behaviour::RunsToCompletion).contains("for cron jobs"));
        assert!(error(&args(), Behaviour::Library).contains("--kind"));
        let two = [
            workload(Behaviour::RunsToCompletion),
            Workload { name: "my-app".to_owned(), ..workload(Behaviour::RunsToCompletion) },
        ];
        assert!(
            manifests(&two, &args()).unwrap_err().to_string().contains("both be called my-app")
        );
    }

    #[test]
    fn users_become_numbers() {
        let with = |user: &str| {
            let workload =
                Workload { user: Some(user.to_owned()), ..workload(Behaviour::RunsToCompletion) };
            manifests(&[workload], &args()).unwrap()
        };
        assert!(with("1000:2000").contains("runAsUser: 1000\n        runAsGroup: 2000\n"));
        assert!(with("app").contains("runAsUser: 65532\n        runAsGroup: 65532\n"));
        assert!(!with("0").contains("runAsNonRoot"));
    }
}
