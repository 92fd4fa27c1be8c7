//! A native program and a Wasm program behind one service.

use std::str::FromStr;

use super::super::Workload;
use super::names::object_name;
use super::objects::Objects;
use super::{KubernetesArgs, WorkloadKind, class_name, printed};
use crate::error::{Error, UsageError};

/// Program of an image that has a native one and one for WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariantName {
    Native,
    Wasm,
}

impl VariantName {
    pub fn name(self) -> &'static str {
        match self {
            VariantName::Native => "native",
            VariantName::Wasm => "wasm",
        }
    }
}

/// A program as `--variants` names it, with the number of its replicas: `wasm`, or `wasm=2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    pub name: VariantName,
    /// Otherwise, that of `--replicas`.
    pub replicas: Option<u32>,
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Variant, String> {
        let (name, replicas) =
            text.split_once('=').map_or((text, None), |(name, number)| (name, Some(number)));
        let wrong = || {
            "use native, wasm, or one of them with a number of replicas, such as native=3"
                .to_owned()
        };
        let all = [VariantName::Native, VariantName::Wasm];
        let name = all.into_iter().find(|it| it.name() == name).ok_or_else(wrong)?;
        let replicas = replicas.map(str::parse).transpose().map_err(|_| wrong())?;
        Ok(Variant { name, replicas })
    }
}

/// Returns a deployment for each variant, and a service that spreads requests over the pods of all.
pub fn of_variants(
    variants: &[(Variant, Workload)],
    args: &KubernetesArgs,
) -> Result<String, Error> {
    let is_twice = |name| variants.iter().filter(|(variant, _)| variant.name == name).count() > 1;
    if [VariantName::Native, VariantName::Wasm].into_iter().any(is_twice) {
        return Err(
            UsageError::Combination("`--variants` names a program twice; name each once").into()
        );
    }
    if args.schedule.is_some() || args.kind.is_some_and(|kind| kind != WorkloadKind::Deployment) {
        let message =
            "`--variants` prints deployments; leave out --schedule, and --kind job or cronjob";
        return Err(UsageError::Combination(message).into());
    }
    let mut all = Vec::new();
    for (variant, workload) in variants {
        all.push(Objects {
            name: object_name(&workload.name),
            variant: Some(variant.name),
            class: (variant.name == VariantName::Wasm).then(|| class_name(args)),
            replicas: variant.replicas.unwrap_or(args.replicas),
            workload,
            args,
        });
    }
    let mut documents: Vec<_> = all.iter().map(Objects::deployment).collect();
    let service = all.first().and_then(Objects::service);
    let message =
        "`--variants` prints a Service, which needs the port of the programs; set it with --port";
    documents.push(service.ok_or(UsageError::Combination(message))?);
    let has_wasm = all.iter().any(|it| it.class.is_some());
    Ok(printed("", has_wasm, &documents, args))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Behaviour, Launch};
    use super::*;

    fn variants(text: &str) -> Vec<(Variant, Workload)> {
        let variant = |text: &str| {
            let variant: Variant = text.parse().unwrap();
            let native = Workload { exposed_port: Some(3000), ..Workload::example(Launch::Native) };
            let is_native = variant.name == VariantName::Native;
            (variant, if is_native { native } else { Workload::example(Launch::Shim) })
        };
        text.split(',').map(variant).collect()
    }

    #[test]
    fn variants_share_a_service_and_only_wasm_has_a_class() {
        let args = KubernetesArgs { replicas: 2, ..KubernetesArgs::default() };
        let text = of_variants(&variants("native=3,wasm"), &args).unwrap();
        let documents: Vec<&str> = text.split("---\n").collect();
        let [class, native, wasm, service] = documents.as_slice() else { panic!("{text}") };
        assert!(class.contains("kind: RuntimeClass\n"), "{class}");
        assert!(native.contains("replicas: 3\n") && !native.contains("untimeClass"), "{native}");
        assert!(native.contains("  name: app-native\n"), "{native}");
        // The port that its image exposes, which it is told, too.
        assert!(native.contains("containerPort: 3000\n"), "{native}");
        assert!(native.contains("name: PORT\n          value: \"3000\"\n"), "{native}");
        assert!(!native.contains("readOnlyRootFilesystem"), "{native}");
        assert!(wasm.contains("replicas: 2\n"), "{wasm}");
        assert!(wasm.contains("runtimeClassName: wasmtime\n"), "{wasm}");
        assert!(wasm.contains("containerPort: 8080\n"), "{wasm}");
        let selector = |variant: &str| {
            format!(
                "matchLabels:\n      app.kubernetes.io/name: app\n      app.kubernetes.io/component: {variant}\n"
            )
        };
        assert!(native.contains(&selector("native")) && wasm.contains(&selector("wasm")), "{text}");
        assert!(service.contains("  name: app\n") && !service.contains("component"), "{service}");
        assert!(service.contains("selector:\n    app.kubernetes.io/name: app\n"), "{service}");
        let alone = of_variants(&variants("native"), &args).unwrap();
        assert!(!alone.contains("untimeClass"), "{alone}");
    }

    #[test]
    fn variants_that_make_no_sense_are_refused() {
        for text in ["", "linux", "native=", "native=-1", "wasm=many", "native:3"] {
            assert!(text.parse::<Variant>().unwrap_err().contains("native=3"), "{text}");
        }
        let error = |text: &str, args: &KubernetesArgs| {
            of_variants(&variants(text), args).unwrap_err().to_string()
        };
        let args = KubernetesArgs::default();
        assert!(error("wasm=1,wasm=2", &args).contains("twice"));
        let job = KubernetesArgs { kind: Some(WorkloadKind::Job), ..args.clone() };
        assert!(error("wasm", &job).contains("--kind"));
        let portless =
            Workload { behaviour: Behaviour::RunsToCompletion, ..Workload::example(Launch::Shim) };
        let portless = [("wasm".parse().unwrap(), portless)];
        assert!(of_variants(&portless, &args).unwrap_err().to_string().contains("--port"));
    }
}
