//! The objects that run one program.

use super::super::{Behaviour, Launch, Workload};
use super::names::label_value;
use super::variants::VariantName;
use super::{KubernetesArgs, WorkloadKind};
use crate::deploy::yaml::{Value, list, map};
use crate::error::{Error, UsageError};

// User ID for images without a numeric user: `nonroot` of distroless images. Wasm programs see no users, and everybody can read
// the files in our images, so any ID works.
const NONROOT: u32 = 65532;

// Enough for the shim, which compiles the program when the container starts.
const CPU: &str = "50m";
const MEMORY: &str = "32Mi";
const MEMORY_LIMIT: &str = "128Mi";

pub(super) struct Objects<'a> {
    pub(super) name: String,
    /// One of several programs behind the same service.
    pub(super) variant: Option<VariantName>,
    /// The RuntimeClass of the pods.
    pub(super) class: Option<&'a str>,
    pub(super) replicas: u32,
    pub(super) workload: &'a Workload,
    pub(super) args: &'a KubernetesArgs,
}

impl Objects<'_> {
    pub(super) fn all(&self) -> Result<Vec<Value>, Error> {
        Ok(match self.kind()? {
            WorkloadKind::Deployment => {
                [Some(self.deployment()), self.service()].into_iter().flatten().collect()
            }
            WorkloadKind::Job => vec![self.object("batch/v1", "Job", self.job_spec())],
            WorkloadKind::Cronjob => vec![self.cron_job()?],
        })
    }

    fn kind(&self) -> Result<WorkloadKind, Error> {
        let by_schedule = self.args.schedule.as_ref().map(|_| WorkloadKind::Cronjob);
        match (self.args.kind.or(by_schedule), self.workload.behaviour) {
            (Some(kind), _) if kind != WorkloadKind::Cronjob && by_schedule.is_some() => {
                Err(UsageError::Combination(
                    "`--schedule` is only for cron jobs; leave it out or use `--kind cronjob`",
                )
                .into())
            }
            (Some(kind), _) => Ok(kind),
            (None, Behaviour::RunsToCompletion) => Ok(WorkloadKind::Job),
            (None, Behaviour::ServesHttp) => Ok(WorkloadKind::Deployment),
            (None, Behaviour::Library) => {
                Err(UsageError::LibraryWorkload { name: self.workload.name.clone() }.into())
            }
        }
    }

    pub(super) fn deployment(&self) -> Value {
        // Without the version: a selector is immutable, and has to match the pods of the next version, too.
        let labels = map([self.name_label(), self.variant_label()]);
        let selector = map([("matchLabels", Some(labels))]);
        let spec = map([
            ("replicas", Some(self.replicas.into())),
            ("selector", Some(selector)),
            ("template", Some(self.pod_template(None))),
        ]);
        self.object("apps/v1", "Deployment", spec)
    }

    /// Returns the service in front of the program, and of all its variants.
    pub(super) fn service(&self) -> Option<Value> {
        self.port()?;
        let port = map([
            ("name", Some("http".into())),
            ("port", Some(80.into())),
            // By name, so that only the container has the number.
            ("targetPort", Some("http".into())),
        ]);
        let spec = map([("selector", Some(map([self.name_label()]))), ("ports", list([port]))]);
        Some(
            Objects { variant: None, name: self.name.clone(), ..*self }
                .object("v1", "Service", spec),
        )
    }

    fn job_spec(&self) -> Value {
        map([
            ("backoffLimit", Some(3.into())),
            // The pods of a job can't have the default policy, `Always`.
            ("template", Some(self.pod_template(Some("Never")))),
        ])
    }

    fn cron_job(&self) -> Result<Value, Error> {
        let schedule = self.args.schedule.as_deref().ok_or(UsageError::Combination(
            "a cron job needs a schedule, such as `--schedule \"*/5 * * * *\"`",
        ))?;
        // Kubernetes accepts five fields, or a macro such as `@daily`.
        let fields = schedule.split_whitespace().count();
        if fields != 5 && !(fields == 1 && schedule.trim().starts_with('@')) {
            return Err(UsageError::InvalidSchedule { schedule: schedule.to_owned() }.into());
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
            ("name", Some(self.object_name().into())),
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

    /// Returns the [recommended labels](https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/).
    fn labels(&self) -> Value {
        let label = |text: &Option<String>| text.as_deref().and_then(label_value).map(Value::from);
        map([
            self.name_label(),
            self.variant_label(),
            ("app.kubernetes.io/version", label(&self.workload.version)),
            ("app.kubernetes.io/part-of", label(&self.workload.part_of)),
        ])
    }

    fn name_label(&self) -> (&'static str, Option<Value>) {
        ("app.kubernetes.io/name", Some(self.name.as_str().into()))
    }

    fn variant_label(&self) -> (&'static str, Option<Value>) {
        ("app.kubernetes.io/component", self.variant.map(|it| it.name().into()))
    }

    fn object_name(&self) -> String {
        match self.variant {
            Some(variant) => format!("{}-{}", self.name, variant.name()),
            None => self.name.clone(),
        }
    }

    fn pod_template(&self, restart: Option<&str>) -> Value {
        let spec = map([
            ("runtimeClassName", self.class.map(Value::from)),
            ("restartPolicy", restart.map(Value::from)),
            // The program does not use the cluster's API, so it gets no credentials for it.
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
        // No CPU limit: throttling would slow down the start, which compiles the program.
        let limits = map([("memory", Some(MEMORY_LIMIT.into()))]);
        map([
            ("name", Some(self.name.as_str().into())),
            ("image", Some(self.workload.image.as_str().into())),
            ("args", list(args)),
            ("env", list(env)),
            ("ports", list(ports)),
            ("readinessProbe", port.map(|_| probe())),
            ("resources", Some(map([("requests", Some(requests)), ("limits", Some(limits))]))),
            ("securityContext", Some(self.container_security())),
        ])
    }

    fn port(&self) -> Option<u16> {
        self.workload.port(self.args.port)
    }

    /// Returns the security context that the policy
    /// [`restricted`](https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted) requires of a pod,
    /// unless the user of the image is root.
    fn pod_security(&self) -> Value {
        let user = self.workload.user.as_deref().unwrap_or_default();
        let (user, group) =
            user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
        // Always a number: Kubernetes refuses `runAsNonRoot` for an image whose user is a name.
        let user = user.parse().unwrap_or(NONROOT);
        let group = group.map_or(Some(user), |group| group.parse().ok());
        map([
            ("runAsNonRoot", (user != 0).then(|| true.into())),
            ("runAsUser", Some(user.into())),
            ("runAsGroup", group.map(Value::from)),
            ("seccompProfile", Some(map([("type", Some("RuntimeDefault".into()))]))),
        ])
    }

    /// Returns the security context that the policy requires of a container.
    fn container_security(&self) -> Value {
        // Our images have no folder that their programs write to. The policy does not require this, so other programs may.
        let is_ours = self.workload.launch != Launch::Native;
        map([
            ("allowPrivilegeEscalation", Some(false.into())),
            ("readOnlyRootFilesystem", is_ours.then(|| true.into())),
            ("capabilities", Some(map([("drop", list(["ALL"]))]))),
        ])
    }
}

// Kubernetes replaces `$(NAME)` in arguments and values with a variable; `$$(` is a plain `$(`.
fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}
