//! All programs of an image: different engines may start different ones.

use std::collections::BTreeSet;

use super::{Digest, Error, Image, Manifest, Platform, ReadLimits};
use crate::limits::Budget;
use crate::module::BuiltModule;

/// A program that an engine may start.
#[derive(Debug)]
pub struct ImageProgram {
    /// Its place, for messages, such as `/app.wasm for linux/amd64`.
    pub place: String,
    /// The digest of its bytes, if they can be read.
    pub digest: Option<Digest>,
    /// The module. Otherwise the reason why it is none, such as that it is native code, or that a layer can't be unpacked.
    pub module: Result<BuiltModule, Error>,
}

impl Image {
    /// Returns every program that an engine may start, each once: that of [`Image::wasm_manifest`] first. Images for several
    /// platforms, and of bare layers next to a tar, may have different ones.
    ///
    /// # Errors
    /// [`Error::NoManifest`], and [`Error::OverLimit`] when the layers of all manifests together unpack to more than the
    /// store's limits allow. Other errors are part of the result.
    pub fn programs(&self) -> Result<Vec<ImageProgram>, Error> {
        let first = self.wasm_manifest()?;
        let others = self.manifests().iter().filter(|it| it.digest() != first.digest());
        let all: Vec<_> = std::iter::once(first).chain(others).map(|it| (it, None)).collect();
        programs(&all)
    }
}

/// Returns the programs of manifests, each with the platform that an index lists it for.
pub(crate) fn programs(
    manifests: &[(&Manifest, Option<&Platform>)],
) -> Result<Vec<ImageProgram>, Error> {
    let limits = manifests.first().map_or_else(ReadLimits::default, |(first, _)| first.limits);
    let (budget, mut kept) = (Budget::new(limits), 0);
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (n, (manifest, listed_for)) in manifests.iter().enumerate() {
        let is_known = manifests[..n].iter().any(|(other, _)| other.is_same_program(manifest));
        // What buildx attests about an image is in its index, too.
        if is_known || (manifests.len() > 1 && manifest.has_only_documents()) {
            continue;
        }
        let platform = listed_for.or(manifest.config().platform.as_ref());
        let of = platform.map_or_else(String::new, |platform| format!(" for {platform}"));
        for (path, bytes) in manifest.started(&budget)? {
            let digest = bytes.as_ref().ok().map(|bytes| Digest::of(bytes));
            if digest.is_some_and(|digest| !seen.insert(digest)) {
                continue;
            }
            kept += bytes.as_ref().map_or(0, Vec::len) as u64;
            found.push((manifest.module_name(), format!("{path}{of}"), digest, bytes));
        }
        // Of one manifest after the other, only the programs stay in memory.
        budget.release();
        budget.hold(kept)?;
    }
    let is_only = found.len() == 1;
    let program = |(name, place, digest, bytes): (String, String, _, Result<_, _>)| {
        let name = if is_only { &name } else { &place };
        let module = bytes.and_then(|bytes| {
            let module = BuiltModule::new(name, bytes);
            module.map_err(|e| Error::NoModule { reason: e.to_string() })
        });
        ImageProgram { place, digest, module }
    };
    Ok(found.into_iter().map(program).collect())
}

/// Returns a sentence about an image with several programs.
#[must_use]
pub fn several_programs(programs: &[ImageProgram]) -> Option<String> {
    let known: Vec<String> = programs
        .iter()
        .filter_map(|program| Some(format!("{} ({})", program.place, program.digest?)))
        .collect();
    (known.len() > 1).then(|| {
        let shown = known.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        format!("the image has {} programs, and engines start different ones: {shown}", known.len())
    })
}

/// A program's place in its manifest, and its bytes.
type Started = (String, Result<Vec<u8>, Error>);

impl Manifest {
    /// Returns every program that an engine may start: all bare layers, and every file that the command may name.
    fn started(&self, budget: &Budget) -> Result<Vec<Started>, Error> {
        let mut started: Vec<Started> = Vec::new();
        for layer in self.bare_layers() {
            budget.hold(layer.descriptor().size)?;
            let place = "bare layer".to_owned();
            started.push((place, layer.bytes().map(|bytes| bytes.to_vec())));
        }
        // The other layers of a Spin application are no file system.
        if self.tars().next().is_none() || self.spin_application().is_some() {
            return Ok(started);
        }
        let tree = match self.tree_of_modules(budget) {
            Ok(tree) => tree,
            Err(error @ Error::OverLimit(_)) => return Err(error),
            Err(error) => {
                started.push((self.command_word().to_owned(), Err(error)));
                return Ok(started);
            }
        };
        let mut paths: Vec<String> = self.named(&tree).collect();
        if paths.is_empty() {
            match self.locate(&tree) {
                Ok(path) => paths.push(path),
                // Engines that know bare layers start those.
                Err(_) if !started.is_empty() => {}
                Err(error) => started.push((self.command_word().to_owned(), Err(error))),
            }
        }
        for path in paths {
            let bytes = match self.program_at(&path, &tree, budget) {
                Err(error @ Error::OverLimit(_)) => return Err(error),
                program => program.map(|program| program.bytes),
            };
            started.push((format!("/{path}"), bytes));
        }
        Ok(started)
    }

    /// Returns true if both start the same programs, without reading them.
    pub(crate) fn is_same_program(&self, other: &Manifest) -> bool {
        self.layer_digests() == other.layer_digests()
            && self.command_word() == other.command_word()
            && self.command_paths() == other.command_paths()
            && self.config().diff_ids == other.config().diff_ids
    }

    fn has_only_documents(&self) -> bool {
        let types = self.layers().iter().map(|layer| layer.descriptor().media_type.as_str());
        types.into_iter().all(|media_type| media_type.ends_with("json"))
    }
}
