//! An index whose entries can be changed.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Serialize;

use super::descriptor::REFERENCE;
use super::documents::{DescriptorJson, canonical_json};
use super::json_positions::{elements, members};
use super::{Blob, Descriptor, Digest, Error, IndexDocument, MAX_DOCUMENT, MediaType, Platform};

/// An index, as somebody wrote it, and its entries.
///
/// Whatever does not change keeps its bytes, so that an entry that is added and removed leaves the same digest.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// The text of the document without its entries.
    frame: String,
    /// The position of the entries in it.
    at: usize,
    /// The position of the media type in it, with its quotes.
    media_type: Option<Range<usize>>,
    entries: Vec<Entry>,
    has_changed: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    descriptor: Descriptor,
    text: String,
    /// The text before it: white space, and the comma after the entry before.
    gap: String,
}

impl Index {
    /// Returns an index without an entry.
    pub(crate) fn empty() -> Result<Index, Error> {
        Index::parse(&IndexDocument::default().to_blob()?.bytes()?)
    }

    /// Parses the document of an index.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Index, Error> {
        let descriptors = IndexDocument::parse(bytes)?.manifests;
        let unreadable =
            || Error::Document { what: "index", reason: "its entries can't be found".to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
        let members = members(text).ok_or_else(unreadable)?;
        let member = |wanted: &str| {
            members.iter().find(|(name, _)| name == wanted).map(|(_, range)| range.clone())
        };
        let list = member("manifests").ok_or_else(unreadable)?;
        // `null` is an empty list.
        let positions = elements(text, &list).unwrap_or_default();
        if positions.len() != descriptors.len() {
            return Err(unreadable());
        }
        // The brackets of an empty list, which may be `null`, are written again.
        let (replaced, brackets, at) = match positions.last() {
            Some(last) => (list.start + 1..last.end, "", list.start + 1),
            None => (list.clone(), "[]", list.start + 1),
        };
        let mut entries = Vec::new();
        let mut end = replaced.start;
        for (descriptor, position) in descriptors.into_iter().zip(positions) {
            let gap = text[end..position.start].to_owned();
            end = position.end;
            entries.push(Entry { descriptor, text: text[position].to_owned(), gap });
        }
        let moved = |at: usize| match at < replaced.end {
            true => at,
            false => at - replaced.len() + brackets.len(),
        };
        let media_type = member("mediaType").map(|it| moved(it.start)..moved(it.end));
        let frame = [&text[..replaced.start], brackets, &text[replaced.end..]].concat();
        Ok(Index { frame, at, media_type, entries, has_changed: false })
    }

    /// Returns the entries in their order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().map(|entry| &entry.descriptor)
    }

    /// Sets the platform of entries that don't name theirs. It is compared with others, and not written.
    pub(crate) fn set_platforms(&mut self, of: impl Fn(&Descriptor) -> Option<Platform>) {
        for Entry { descriptor, .. } in &mut self.entries {
            descriptor.platform = descriptor.platform.take().or_else(|| of(descriptor));
        }
    }

    /// Adds the entries of an image: after those that are there, and before the attestations at their end. An entry that is
    /// there already is not added twice.
    ///
    /// # Errors
    /// [`Error::SamePlatform`] when there is another entry for the same platform. If `replace` is true, the new one takes
    /// its place instead, and the attestations about it are removed.
    pub(crate) fn add(&mut self, new: Vec<Descriptor>, replace: bool) -> Result<(), Error> {
        // Not entries of the same image: it may have several for a platform, such as one for each compression.
        let own: BTreeSet<Digest> = new.iter().map(|new| new.digest).collect();
        let rivals: Vec<Descriptor> = self
            .entries()
            .filter(|it| !own.contains(&it.digest) && new.iter().any(|new| is_rival(it, new)))
            .cloned()
            .collect();
        if !replace && !rivals.is_empty() {
            return Err(Error::SamePlatform { platforms: names(rivals.iter()) });
        }
        for new in new {
            let is_there =
                |it: &Descriptor| it.digest == new.digest && is_same(&it.platform, &new.platform);
            if self.entries().any(is_there) {
                continue;
            }
            let rival = |it: &Descriptor| !own.contains(&it.digest) && is_rival(it, &new);
            let after_last = || {
                self.entries.iter().rposition(|it| !it.descriptor.is_attestation()).map(|n| n + 1)
            };
            let place = match new.is_attestation() {
                true => Some(self.entries.len()),
                false => self.entries().position(rival).or_else(after_last),
            };
            self.insert(place.unwrap_or(0), new)?;
        }
        self.remove_where(|it| rivals.contains(it));
        Ok(())
    }

    /// Removes the entries for some platforms, those with some digests, and the attestations about them.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`] when there is no such entry, [`Error::LastEntry`] when none would be left.
    pub(crate) fn remove(
        &mut self,
        platforms: &[Platform],
        digests: &[Digest],
    ) -> Result<(), Error> {
        let of_platforms = platforms
            .iter()
            .map(|wanted| (wanted.to_string(), self.entries().any(|it| is_for(wanted, it))));
        let of_digests = digests
            .iter()
            .map(|wanted| (wanted.to_string(), self.entries().any(|it| it.digest == *wanted)));
        if let Some((wanted, _)) = of_platforms.chain(of_digests).find(|(_, is_there)| !is_there) {
            return Err(no_such_entry(wanted, self.entries()));
        }
        self.remove_where(|entry| {
            digests.contains(&entry.digest) || platforms.iter().any(|it| is_for(it, entry))
        });
        match self.entries().all(Descriptor::is_attestation) {
            true => Err(Error::LastEntry),
            false => Ok(()),
        }
    }

    /// Returns the document. Its bytes are those that were parsed if nothing has changed.
    ///
    /// It is a manifest list of Docker if every entry is Docker's, otherwise an index of OCI, which may list both.
    ///
    /// # Errors
    /// [`Error::Document`] when it is larger than any registry has to accept.
    pub(crate) fn to_blob(&self) -> Result<Blob, Error> {
        let entries: String = self.entries.iter().flat_map(|it| [&*it.gap, &*it.text]).collect();
        let mut edits = vec![(self.at..self.at, entries)];
        let mut media_type = MediaType::ImageIndex;
        if let Some(range) = &self.media_type {
            let written = self.frame[range.clone()].trim_matches('"');
            let is_docker = self.entries().all(|it| it.media_type == MediaType::DockerManifest);
            media_type = match is_docker {
                _ if !self.has_changed => MediaType::from(written),
                true => MediaType::DockerManifestList,
                false => MediaType::ImageIndex,
            };
            edits.push((range.clone(), format!("\"{media_type}\"")));
        }
        // The last one first, so that the positions of the others stay right.
        edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = self.frame.clone();
        edits.iter().for_each(|(range, new)| text.replace_range(range.clone(), new));
        if text.len() as u64 > MAX_DOCUMENT {
            let reason = format!("it would have {} bytes, more than {MAX_DOCUMENT}", text.len());
            return Err(Error::Document { what: "index", reason });
        }
        Ok(Blob::new(media_type, text.into_bytes()))
    }

    fn insert(&mut self, at: usize, descriptor: Descriptor) -> Result<(), Error> {
        let lead = self.entries.first().map(|first| first.gap.clone()).unwrap_or_default();
        let separator = self.entries.get(1).map(|second| second.gap.clone());
        let separator = separator.unwrap_or_else(|| format!(",{lead}"));
        let text = formatted(&descriptor, &lead)?;
        let gap = match self.entries.first_mut() {
            Some(first) if at == 0 => std::mem::replace(&mut first.gap, separator),
            Some(_) => separator,
            None => lead,
        };
        self.entries.insert(at, Entry { descriptor, text, gap });
        self.has_changed = true;
        Ok(())
    }

    fn remove_where(&mut self, is_removed: impl Fn(&Descriptor) -> bool) {
        let (removed, left): (Vec<_>, Vec<_>) = self.entries().partition(|it| is_removed(it));
        let left: BTreeSet<Digest> = left.iter().map(|it| it.digest).collect();
        let gone = removed.iter().map(|it| it.digest).filter(|digest| !left.contains(digest));
        let gone: BTreeSet<String> = gone.map(|digest| digest.to_string()).collect();
        if removed.is_empty() {
            return;
        }
        let lead = self.entries.first().map(|first| first.gap.clone()).unwrap_or_default();
        self.entries.retain(|it| !is_removed(&it.descriptor) && !is_about(&gone, &it.descriptor));
        if let Some(first) = self.entries.first_mut() {
            first.gap = lead;
        }
        self.has_changed = true;
    }
}

/// Returns the entries for some platforms and the attestations about them, or all if no platform is named.
///
/// # Errors
/// [`Error::NoSuchEntry`] when there is none for one of the platforms.
pub(crate) fn select(
    entries: Vec<Descriptor>,
    platforms: &[Platform],
) -> Result<Vec<Descriptor>, Error> {
    if platforms.is_empty() {
        return Ok(entries);
    }
    for wanted in platforms {
        if !entries.iter().any(|it| is_for(wanted, it)) {
            return Err(no_such_entry(wanted.to_string(), entries.iter()));
        }
    }
    let is_selected = |it: &Descriptor| platforms.iter().any(|wanted| is_for(wanted, it));
    let selected = entries.iter().filter(|it| is_selected(it)).map(|it| it.digest.to_string());
    let selected: BTreeSet<String> = selected.collect();
    Ok(entries.into_iter().filter(|it| is_selected(it) || is_about(&selected, it)).collect())
}

/// Returns true if an entry is for a platform.
fn is_for(wanted: &Platform, entry: &Descriptor) -> bool {
    entry.platform.as_ref().is_some_and(|platform| wanted.selects(platform))
}

/// Returns true for an attestation about one of these manifests.
fn is_about(digests: &BTreeSet<String>, entry: &Descriptor) -> bool {
    entry.annotations.get(REFERENCE).is_some_and(|digest| digests.contains(digest))
}

/// Returns true for entries between which an engine could not choose.
fn is_rival(one: &Descriptor, other: &Descriptor) -> bool {
    !one.is_attestation() && !other.is_attestation() && is_same(&one.platform, &other.platform)
}

fn is_same(one: &Option<Platform>, other: &Option<Platform>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn no_such_entry<'a>(wanted: String, known: impl Iterator<Item = &'a Descriptor>) -> Error {
    Error::NoSuchEntry { wanted, known: names(known.filter(|it| !it.is_attestation())) }
}

fn names<'a>(entries: impl Iterator<Item = &'a Descriptor>) -> Vec<String> {
    let name = |it: &Descriptor| {
        it.platform.as_ref().map_or_else(|| it.digest.to_string(), Platform::to_string)
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.dedup();
    names
}

/// Returns the text of an entry, indented as the entries after `lead` are.
fn formatted(descriptor: &Descriptor, lead: &str) -> Result<String, Error> {
    let unwritable = |e: &dyn ToString| Error::Document { what: "index", reason: e.to_string() };
    let compact = canonical_json(&DescriptorJson::of(descriptor))?;
    let Some((_, indent)) = lead.rsplit_once('\n') else {
        return String::from_utf8(compact).map_err(|e| unwritable(&e));
    };
    let value: serde_json::Value = serde_json::from_slice(&compact).map_err(|e| unwritable(&e))?;
    // Entries are two levels deep in the document.
    let unit = &indent.as_bytes()[..indent.len() / 2];
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(unit);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    value.serialize(&mut serializer).map_err(|e| unwritable(&e))?;
    let text = String::from_utf8(text).map_err(|e| unwritable(&e))?;
    Ok(text.replace('\n', &format!("\n{indent}")))
}

#[cfg(test)]
mod tests;
