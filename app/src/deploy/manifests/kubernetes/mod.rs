//! Manifests for Kubernetes.

mod complete;
mod names;
mod objects;

use clap::{Args, ValueEnum};

use super::{Workload, head};
use crate::deploy::yaml::{Value, map};
use crate::error::{Error, UsageError};
use names::object_name;
use objects::Objects;

pub use complete::complete;
pub use names::runtime_class_name;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesArgs {
    /// Kind of workload (default: a deployment with a service for a program that serves HTTP, otherwise a job)
    #[arg(long, value_enum)]
    pub kind: Option<WorkloadKind>,
    /// Schedule of a cron job, such as "*/5 * * * *"
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Name of the Wasm runtime in the configuration of containerd, such as wasmtime, wasm or spin
    #[arg(long, value_name = "NAME", default_value = "wasmtime", value_parser = runtime_class_name)]
    pub handler: String,
    /// Name of the RuntimeClass (default: the name of the handler)
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
    /// Port that the program or its shim listens on (default for a program that serves HTTP: 8080)
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
    if !args.no_runtime_class {
        // First, because Kubernetes rejects pods whose RuntimeClass does not exist yet.
        documents.push(runtime_class(args));
    }
    for (n, workload) in workloads.iter().enumerate() {
        let name = object_name(&workload.name);
        // Two names may become one when characters that Kubernetes forbids are replaced.
        if let Some(other) = workloads[..n].iter().find(|other| object_name(&other.name) == name) {
            let (first, second) = (other.name.clone(), workload.name.clone());
            return Err(UsageError::SameName { first, second, name }.into());
        }
        documents.extend(Objects { name, workload, args }.all()?);
    }
    let texts: Vec<String> = documents.iter().map(Value::to_yaml).collect();
    let head = head(workloads, "cargo wasm-oci resolve -f THIS | kubectl apply -f -");
    Ok(format!("{head}{}", texts.join("---\n").trim_end()))
}

fn runtime_class(args: &KubernetesArgs) -> Value {
    // A RuntimeClass belongs to the whole cluster, so it has no namespace.
    map([
        ("apiVersion", Some("node.k8s.io/v1".into())),
        ("kind", Some("RuntimeClass".into())),
        ("metadata", Some(map([("name", Some(class_of(args).into()))]))),
        ("handler", Some(args.handler.as_str().into())),
    ])
}

fn class_of(args: &KubernetesArgs) -> &str {
    args.runtime_class.as_ref().unwrap_or(&args.handler)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Behaviour;
    use super::*;

    fn workload(behaviour: Behaviour) -> Workload {
        Workload {
            name: "My_app".to_owned(),
            version: Some("1.0.0-rc.1+5".to_owned()),
            part_of: None,
            image: "wasm-oci://app".to_owned(),
            args: vec!["--to".to_owned(), "$(HOME)".to_owned()],
            env: BTreeMap::from([("LEVEL".to_owned(), "1".to_owned())]),
            user: None,
            behaviour,
        }
    }

    fn args() -> KubernetesArgs {
        KubernetesArgs { handler: "wasm".to_owned(), replicas: 2, ..KubernetesArgs::default() }
    }

    fn printed(behaviour: Behaviour, args: &KubernetesArgs) -> String {
        manifests(&[workload(behaviour)], args).unwrap()
    }

    #[test]
    fn what_is_printed_is_what_the_program_is() {
        let job = printed(Behaviour::RunsToCompletion, &args());
        assert!(job.contains("kind: RuntimeClass\n") && job.contains("handler: wasm\n"), "{job}");
        assert!(job.contains("kind: Job\n") && job.contains("name: my-app\n"), "{job}");
        assert!(job.contains("- $$(HOME)\n") && job.contains("value: \"1\"\n"), "{job}");
        assert!(
            job.contains("version: 1.0.0-rc.1_5\n") || job.contains("version: \"1.0.0-rc.1_5\"\n"),
            "{job}"
        );
        assert!(!job.contains("ports:"), "{job}");
        let http = printed(Behaviour::ServesHttp, &KubernetesArgs { port: Some(9000), ..args() });
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
        let cron = printed(Behaviour::RunsToCompletion, &named);
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
