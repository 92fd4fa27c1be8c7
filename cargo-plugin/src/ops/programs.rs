//! All programs of a workspace, and requests that build some of them.

use crate::cargo::build_target::ConfiguredTarget;
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::project::{Project, TargetKind, Workspace};
use crate::cargo::selection::{Selection, TargetArgs};
use crate::error::Error;
use crate::ops::request::Request;
use crate::ops::resolve::build_key;

#[derive(Debug)]
pub struct Programs {
    workspace: Workspace,
    all: Vec<Project>,
}

impl Programs {
    /// Asks cargo for every bin, and every library that becomes a module.
    pub fn of(request: &Request) -> Result<Programs, Error> {
        // A manifest may name any program, whatever package the current folder belongs to.
        let selection = Selection {
            packages: Vec::new(),
            exclude: Vec::new(),
            workspace: true,
            targets: TargetArgs { bins: true, lib: true, ..TargetArgs::default() },
            ..request.selection.clone()
        };
        let workspace = Workspace::load(&CargoEnv::from_process()?, &selection)?;
        let all = workspace.projects(&selection)?;
        Ok(Programs { workspace, all })
    }

    pub fn all(&self) -> &[Project] {
        &self.all
    }

    /// Returns requests that build exactly these programs, as many as possible at once.
    pub fn requests(&self, request: &Request, wanted: &[&Project]) -> Result<Vec<Request>, Error> {
        let env = CargoEnv::from_process()?;
        let config = CargoConfig::load(&env, &request.selection.manifest.config);
        let configured = ConfiguredTarget::of(&env, &config);
        let mut groups = Vec::new();
        for &project in wanted {
            let key = build_key(request, &configured, &self.workspace, project)?;
            match groups.iter_mut().find(|(other, _)| *other == key) {
                None => groups.push((key, vec![project])),
                Some((_, group)) => group.push(project),
            }
        }
        let mut requests = Vec::new();
        for (_, group) in groups {
            let together = of(request, &group);
            // The selection may match a program of the same name in another of the packages.
            match self.workspace.projects(&together.selection)?.len() == group.len() {
                true => requests.push(together),
                false => requests.extend(group.iter().map(|&project| of(request, &[project]))),
            }
        }
        Ok(requests)
    }
}

fn of(request: &Request, group: &[&Project]) -> Request {
    let mut packages: Vec<String> = group.iter().map(|project| project.package.clone()).collect();
    packages.sort();
    packages.dedup();
    let is_lib = |project: &&&Project| project.kind == TargetKind::Cdylib;
    let bins = group.iter().filter(|it| !is_lib(it)).map(|it| it.target.clone());
    let lib = group.iter().any(|project| is_lib(&project));
    let targets = TargetArgs { bin: bins.collect(), lib, ..TargetArgs::default() };
    let selection = Selection { packages, workspace: false, targets, ..request.selection.clone() };
    Request { selection, ..request.clone() }
}
