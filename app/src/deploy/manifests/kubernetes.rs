//! Manifests for Kubernetes.

use clap::{Args, ValueEnum};

use super::{Behaviour, SCHEME, Workload};
use crate::deploy::yaml::edit::Edits;
use crate::deploy::yaml::{NodeId, Stream, Value, list, map};
use crate::error::Error;

/// The user of the process, where the image has none that is a number: `nonroot`, as images without a distribution have
/// it. A Wasm program sees no users, and files in our images can be read by all.
const NONROOT: u32 = 65532;

/// What a Wasm container is sure to get, and may have: the program, and what compiles it when it starts.
const CPU: &str = "50m";
const MEMORY: &str = "32Mi";
const MOST_MEMORY: &str = "128Mi";

/// What is printed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesArgs {
    /// What runs the program (default: a deployment, with a service, for what answers HTTP requests, else a job)
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// When a cron job runs, as "*/5 * * * *"
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// The runtime in containerd's configuration that has a Wasm shim, as wasmtime, wasm or spin
    #[arg(long, value_name = "NAME", default_value = "wasmtime", value_parser = runtime_class_name)]
    pub handler: String,
    /// The name of the RuntimeClass (default: the handler's)
    #[arg(long, value_name = "NAME", value_parser = runtime_class_name)]
    pub runtime_class: Option<String>,
    /// Print no RuntimeClass, because the cluster has it
    #[arg(long)]
    pub no_runtime_class: bool,
    /// The namespace of all but the RuntimeClass, which has none
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// How many of a deployment run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub replicas: u32,
    /// The port that the program, or the shim for it, listens on (default for what answers HTTP requests: 8080)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// The image, instead of one that is yet to be put in; {bin}, {package} and {version} stand for the program's
    #[arg(long, value_name = "REFERENCE")]
    pub image: Option<String>,
}

/// What runs a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Goes on, and is started again when it ends.
    Deployment,
    /// Runs to its end once.
    Job,
    /// Does so again and again, by a schedule.
    Cronjob,
}

/// The name of a RuntimeClass, if it can be one
/// ([DNS subdomain](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)).
///
/// # Errors
/// What it has to be like.
pub fn runtime_class_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        label.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let valid = text.len() <= 253 && text.split('.').all(is_label);
    valid
        .then(|| text.to_owned())
        .ok_or_else(|| "use lower-case letters, digits, `-` and `.`".to_owned())
}

/// The manifests of some programs, as one text of several documents.
///
/// # Errors
/// [`Error::Usage`] when the flags don't go together, or don't fit a program.
pub fn manifests(workloads: &[Workload], args: &KubernetesArgs) -> Result<String, Error> {
    let mut documents = Vec::new();
    if !args.no_runtime_class {
        documents.push(runtime_class(args));
    }
    for (n, workload) in workloads.iter().enumerate() {
        let name = object_name(&workload.name);
        if let Some(other) = workloads[..n].iter().find(|other| object_name(&other.name) == name) {
            return Err(Error::Usage(format!(
                "`{}` and `{}` would both be called {name}: choose one with -p or --bin",
                other.name, workload.name
            )));
        }
        documents.extend(Objects { name, workload, args }.all()?);
    }
    let texts: Vec<String> = documents.iter().map(Value::to_yaml).collect();
    let is_open = workloads.iter().any(|workload| workload.image.starts_with(SCHEME));
    let head = if is_open {
        "# The images are put in by: cargo wasm-oci resolve -f THIS | kubectl apply -f -\n"
    } else {
        ""
    };
    Ok(format!("{head}{}", texts.join("---\n").trim_end()))
}

fn runtime_class(args: &KubernetesArgs) -> Value {
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

/// The objects of a program.
struct Objects<'a> {
    name: String,
    workload: &'a Workload,
    args: &'a KubernetesArgs,
}

impl Objects<'_> {
    fn all(&self) -> Result<Vec<Value>, Error> {
        Ok(match self.kind()? {
            Kind::Deployment => {
                [Some(self.deployment()), self.service()].into_iter().flatten().collect()
            }
            Kind::Job => vec![self.object("batch/v1", "Job", self.job_spec())],
            Kind::Cronjob => vec![self.cron_job()?],
        })
    }

    fn kind(&self) -> Result<Kind, Error> {
        let by_schedule = self.args.schedule.as_ref().map(|_| Kind::Cronjob);
        match (self.args.kind.or(by_schedule), self.workload.behaviour) {
            (Some(kind), _) if kind != Kind::Cronjob && by_schedule.is_some() => Err(Error::Usage(
                "`--schedule` is for cron jobs: leave it out, or use `--kind cronjob`".to_owned(),
            )),
            (Some(kind), _) => Ok(kind),
            (None, Behaviour::Ends) => Ok(Kind::Job),
            (None, Behaviour::Answers) => Ok(Kind::Deployment),
            (None, Behaviour::Waits) => Err(Error::Usage(format!(
                "`{}` does nothing by itself, as it is a library of functions: say with --kind what is to start it, or \
                 build a component for wasm32-wasip2, which answers HTTP requests",
                self.workload.name
            ))),
        }
    }

    fn deployment(&self) -> Value {
        let selector = map([("matchLabels", Some(self.selector()))]);
        let spec = map([
            ("replicas", Some(self.args.replicas.into())),
            ("selector", Some(selector)),
            ("template", Some(self.pod_template(None))),
        ]);
        self.object("apps/v1", "Deployment", spec)
    }

    fn service(&self) -> Option<Value> {
        self.port()?;
        let port = map([
            ("name", Some("http".into())),
            ("port", Some(80.into())),
            ("targetPort", Some("http".into())),
        ]);
        let spec = map([("selector", Some(self.selector())), ("ports", list([port]))]);
        Some(self.object("v1", "Service", spec))
    }

    fn job_spec(&self) -> Value {
        map([
            ("backoffLimit", Some(3.into())),
            ("template", Some(self.pod_template(Some("Never")))),
        ])
    }

    fn cron_job(&self) -> Result<Value, Error> {
        let schedule = self.args.schedule.as_deref().ok_or_else(|| {
            Error::Usage("a cron job needs a schedule, as `--schedule \"*/5 * * * *\"`".to_owned())
        })?;
        let fields = schedule.split_whitespace().count();
        if fields != 5 && !(fields == 1 && schedule.trim().starts_with('@')) {
            return Err(Error::Usage(format!(
                "`{schedule}` is no schedule: write minute, hour, day, month and day of the week, as \"0 3 * * *\", or \
                 @hourly, @daily, @weekly"
            )));
        }
        let spec = map([
            ("schedule", Some(schedule.trim().into())),
            ("concurrencyPolicy", Some("Forbid".into())),
            ("jobTemplate", Some(map([("spec", Some(self.job_spec()))]))),
        ]);
        Ok(self.object("batch/v1", "CronJob", spec))
    }

    fn object(&self, version: &str, kind: &str, spec: Value) -> Value {
        let metadata = map([
            ("name", Some(self.name.as_str().into())),
            ("namespace", self.args.namespace.as_deref().map(Value::from)),
            ("labels", Some(self.labels())),
        ]);
        map([
            ("apiVersion", Some(version.into())),
            ("kind", Some(kind.into())),
            ("metadata", Some(metadata)),
            ("spec", Some(spec)),
        ])
    }

    /// [Recommended labels](https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/).
    fn labels(&self) -> Value {
        let label = |text: &Option<String>| text.as_deref().and_then(label_value).map(Value::from);
        map([
            ("app.kubernetes.io/name", Some(self.name.as_str().into())),
            ("app.kubernetes.io/version", label(&self.workload.version)),
            ("app.kubernetes.io/part-of", label(&self.workload.part_of)),
        ])
    }

    /// The label that a program's pods have, whichever the version.
    fn selector(&self) -> Value {
        map([("app.kubernetes.io/name", Some(self.name.as_str().into()))])
    }

    fn pod_template(&self, restart: Option<&str>) -> Value {
        let spec = map([
            ("runtimeClassName", Some(class_of(self.args).into())),
            ("restartPolicy", restart.map(Value::from)),
            // A program that doesn't speak with the cluster needs no key to it.
            ("automountServiceAccountToken", Some(false.into())),
            ("securityContext", Some(self.pod_security())),
            ("containers", list([self.container()])),
        ]);
        map([("metadata", Some(map([("labels", Some(self.labels()))]))), ("spec", Some(spec))])
    }

    fn container(&self) -> Value {
        let port = self.port();
        let args = self.workload.args.iter().map(|arg| literal(arg));
        let variables = self.workload.variables(port).into_iter();
        let env = variables.map(|(name, value)| {
            map([("name", Some(name.into())), ("value", Some(literal(&value).into()))])
        });
        let ports = port.map(|port| {
            map([("name", Some("http".into())), ("containerPort", Some(u32::from(port).into()))])
        });
        let probe = || map([("tcpSocket", Some(map([("port", Some("http".into()))])))]);
        let requests = map([("cpu", Some(CPU.into())), ("memory", Some(MEMORY.into()))]);
        // No limit of processor time: it would only make starts slow, which compile.
        let limits = map([("memory", Some(MOST_MEMORY.into()))]);
        map([
            ("name", Some(self.name.as_str().into())),
            ("image", Some(self.workload.image.as_str().into())),
            ("args", list(args)),
            ("env", list(env)),
            ("ports", list(ports)),
            ("readinessProbe", port.map(|_| probe())),
            ("resources", Some(map([("requests", Some(requests)), ("limits", Some(limits))]))),
            ("securityContext", Some(container_security())),
        ])
    }

    fn port(&self) -> Option<u16> {
        self.workload.port(self.args.port)
    }

    /// What the policy
    /// [`restricted`](https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted) wants of a pod,
    /// unless the image's user is root.
    fn pod_security(&self) -> Value {
        let user = self.workload.user.as_deref().unwrap_or_default();
        let (user, group) =
            user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
        let user = user.parse().unwrap_or(NONROOT);
        let group = group.map_or(Some(user), |group| group.parse().ok());
        map([
            ("runAsNonRoot", (user != 0).then(|| true.into())),
            ("runAsUser", Some(user.into())),
            ("runAsGroup", group.map(Value::from)),
            ("seccompProfile", Some(map([("type", Some("RuntimeDefault".into()))]))),
        ])
    }
}

/// What it wants of a container. A Wasm program sees its root file system only if it was given to it, so that nothing is
/// lost when that can't be written.
fn container_security() -> Value {
    map([
        ("allowPrivilegeEscalation", Some(false.into())),
        ("readOnlyRootFilesystem", Some(true.into())),
        ("capabilities", Some(map([("drop", list(["ALL"]))]))),
    ])
}

/// A text in which Kubernetes replaces nothing: `$(NAME)` would be the value of a variable.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

/// A name as services have to have it
/// ([RFC 1035 label](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#rfc-1035-label-names)), and
/// no longer than cron jobs may be called.
fn object_name(name: &str) -> String {
    const LONGEST: usize = 52;
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    let name: String = name.chars().map(letter).collect();
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_lowercase());
    let name = name[..name.len().min(LONGEST)].trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

/// The value of a label, if it can be one
/// ([syntax](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set)); `+`,
/// which versions have, becomes `_`.
fn label_value(text: &str) -> Option<String> {
    let text = text.replace('+', "_");
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let valid = text.len() <= 63
        && is_end(text.bytes().next())
        && is_end(text.bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    valid.then_some(text)
}

/// Lets pods that have a container with an image that `is_ours`, and say nothing of their runtime, have the one of the
/// class `name`. A pod is whatever has containers: also one in a list, or in a custom resource.
///
/// # Errors
/// When one is written so that it can't be done in place.
pub fn complete(
    stream: &Stream,
    edits: &mut Edits<'_>,
    is_ours: impl Fn(NodeId) -> bool,
    name: &str,
) -> Result<(), crate::deploy::yaml::Error> {
    let has_ours = |containers: NodeId| {
        let mut images =
            stream.items(containers).iter().filter_map(|&item| stream.get(item, "image"));
        images.any(|(_, image)| is_ours(stream.meant(image)))
    };
    for node in stream.nodes().filter(|&node| stream.meant(node) == node) {
        let mut lists =
            ["initContainers", "containers"].iter().filter_map(|key| stream.get(node, key));
        let Some((key, _)) = lists.find(|&(_, containers)| has_ours(containers)) else { continue };
        if stream.get(node, "runtimeClassName").is_none() {
            edits.insert(node, key, &[("runtimeClassName", name)])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(crate) fn workload(behaviour: Behaviour) -> Workload {
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
        let job = printed(Behaviour::Ends, &args());
        assert!(job.contains("kind: RuntimeClass\n") && job.contains("handler: wasm\n"), "{job}");
        assert!(job.contains("kind: Job\n") && job.contains("name: my-app\n"), "{job}");
        assert!(job.contains("- \"$$(HOME)\"\n") && job.contains("value: \"1\"\n"), "{job}");
        assert!(
            job.contains("version: 1.0.0-rc.1_5\n") || job.contains("version: \"1.0.0-rc.1_5\"\n"),
            "{job}"
        );
        assert!(!job.contains("ports:"), "{job}");
        let http = printed(Behaviour::Answers, &KubernetesArgs { port: Some(9000), ..args() });
        assert!(http.contains("kind: Deployment\n") && http.contains("kind: Service\n"), "{http}");
        assert!(
            http.contains("value: \"0.0.0.0:9000\"\n") && http.contains("containerPort: 9000\n"),
            "{http}"
        );
        let named = KubernetesArgs {
            runtime_class: Some("other".to_owned()),
            no_runtime_class: true,
            namespace: Some("shop".to_owned()),
            schedule: Some("@daily".to_owned()),
            ..args()
        };
        let cron = printed(Behaviour::Ends, &named);
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
        let cron = KubernetesArgs { kind: Some(Kind::Cronjob), ..args() };
        assert!(error(&cron, Behaviour::Ends).contains("--schedule"));
        let wrong = KubernetesArgs { schedule: Some("daily".to_owned()), ..args() };
        assert!(error(&wrong, Behaviour::Ends).contains("`daily` is no schedule"));
        let both =
            KubernetesArgs { kind: Some(Kind::Job), schedule: Some("@daily".to_owned()), ..args() };
        assert!(error(&both, Behaviour::Ends).contains("for cron jobs"));
        assert!(error(&args(), Behaviour::Waits).contains("--kind"));
        let two = [
            workload(Behaviour::Ends),
            Workload { name: "my-app".to_owned(), ..workload(Behaviour::Ends) },
        ];
        assert!(
            manifests(&two, &args()).unwrap_err().to_string().contains("both be called my-app")
        );
        assert!(runtime_class_name("a.b-c").is_ok());
        assert!(
            ["", "A", "a_b", "-a", "a..b"].iter().all(|name| runtime_class_name(name).is_err())
        );
    }

    #[test]
    fn pods_get_a_runtime_class_where_they_have_none() {
        let completed = |text: &str| {
            let stream = Stream::read("a.yaml", text.as_bytes().to_vec()).unwrap();
            let mut edits = Edits::of(&stream);
            let is_ours = |node| stream.scalar(node).is_some_and(|text| text.starts_with(SCHEME));
            complete(&stream, &mut edits, is_ours, "wasm").unwrap();
            edits.apply().unwrap()
        };
        let pod = "spec:\n  # all of them\n  containers:\n    - name: db\n      image: postgres\n    - image: wasm-oci://a\n";
        assert_eq!(completed(pod), pod.replace("  # all", "  runtimeClassName: wasm\n  # all"));
        for same in [
            pod.replace("wasm-oci://a", "other").as_str(),
            "spec:\n  containers: [{image: wasm-oci://a}]\n  runtimeClassName: x\n",
            "a: &a {runtimeClassName: x}\nspec:\n  <<: *a\n  containers: [{image: wasm-oci://a}]\n",
            "image: wasm-oci://a\ncontainers: wasm-oci://a\n",
        ] {
            assert_eq!(completed(same), same);
        }
        let listed = "items:\n- spec: {initContainers: [{image: &i wasm-oci://a}], containers: [{image: *i}]}\n";
        let expected = listed.replace("{init", "{runtimeClassName: wasm, init");
        assert_eq!(completed(listed), expected);
    }

    #[test]
    fn names_are_what_kubernetes_takes() {
        for (name, expected) in
            [("a_B.c", "a-b-c"), ("1st-app-", "st-app"), ("_", "app"), ("é", "app")]
        {
            assert_eq!(object_name(name), expected);
        }
        assert_eq!(object_name(&"a".repeat(100)).len(), 52);
        assert_eq!(label_value("1.0+a"), Some("1.0_a".to_owned()));
        assert_eq!(label_value("a b"), None);
    }

    #[test]
    fn users_become_numbers() {
        let with = |user: &str| {
            let workload = Workload { user: Some(user.to_owned()), ..workload(Behaviour::Ends) };
            manifests(&[workload], &args()).unwrap()
        };
        assert!(with("1000:2000").contains("runAsUser: 1000\n        runAsGroup: 2000\n"));
        assert!(with("app").contains("runAsUser: 65532\n        runAsGroup: 65532\n"));
        assert!(!with("0").contains("runAsNonRoot"));
    }
}
