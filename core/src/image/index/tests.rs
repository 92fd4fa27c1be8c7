use serde_json::{Value, json};

use super::*;

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

fn entry(content: &str, of: &str) -> Descriptor {
    Descriptor {
        platform: Some(platform(of)),
        ..Descriptor::of(MediaType::ImageManifest, content.as_bytes())
    }
}

/// An attestation about the entry of `content`, as buildx writes it.
fn attestation(content: &str) -> Descriptor {
    let about = Digest::of(content.as_bytes()).to_string();
    let kind = "attestation-manifest".to_owned();
    Descriptor {
        annotations: [
            (REFERENCE.to_owned(), about),
            ("vnd.docker.reference.type".to_owned(), kind),
        ]
        .into(),
        ..entry(&format!("about {content}"), "unknown/unknown")
    }
}

/// An index in the form of buildx: indented, with its own order of keys, and with fields that we don't know.
fn of_buildx(entries: &[Descriptor], indent: usize) -> String {
    let value = |it: &Descriptor| serde_json::to_value(DescriptorJson::of(it)).unwrap();
    let entries: Vec<Value> = entries.iter().map(value).collect();
    let entries = serde_json::to_string(&entries).unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":{entries},"subject":null,"annotations":{{"a":"é\u00e9"}}}}"#,
        MediaType::ImageIndex
    );
    if indent == 0 {
        return text;
    }
    // As Go's `json.MarshalIndent` does.
    let (mut level, mut in_text, mut pretty) = (0, false, String::new());
    for letter in text.chars() {
        in_text ^= letter == '"';
        match letter {
            '{' | '[' if !in_text => {
                level += 1;
                pretty += &format!("{letter}\n{}", " ".repeat(level * indent));
            }
            '}' | ']' if !in_text => {
                level -= 1;
                pretty += &format!("\n{}{letter}", " ".repeat(level * indent));
            }
            ',' if !in_text => pretty += &format!(",\n{}", " ".repeat(level * indent)),
            ':' if !in_text => pretty += ": ",
            letter => pretty.push(letter),
        }
    }
    pretty
}

fn text(index: &Index) -> String {
    String::from_utf8(index.to_blob().unwrap().bytes().unwrap().to_vec()).unwrap()
}

fn order(index: &Index) -> Vec<String> {
    index.entries().map(|it| it.platform.as_ref().unwrap().to_string()).collect()
}

#[test]
fn what_is_added_and_removed_leaves_the_same_bytes() {
    let (amd, arm) = (entry("amd", "linux/amd64"), entry("arm", "linux/arm64"));
    let (about_amd, about_arm) = (attestation("amd"), attestation("arm"));
    for entries in [
        vec![amd.clone()],
        vec![amd.clone(), about_amd.clone()],
        vec![amd.clone(), about_amd.clone(), arm.clone(), about_arm.clone()],
        vec![amd, arm, about_amd.clone(), about_arm],
        vec![about_amd],
    ] {
        for indent in [0, 2, 3] {
            let before = of_buildx(&entries, indent);
            let mut index = Index::parse(before.as_bytes()).unwrap();
            assert_eq!(text(&index), before);
            let new = vec![entry("wasm", "wasi/wasm"), attestation("wasm")];
            index.add(new.clone(), false).unwrap();
            let added = text(&index);
            let read = IndexDocument::parse(added.as_bytes()).unwrap().manifests;
            assert_eq!(read, index.entries().cloned().collect::<Vec<_>>());
            // What is indented stays so, to the last line.
            let pretty = serde_json::from_str::<Value>(&added).unwrap().to_string();
            assert_eq!(added.contains("\n"), indent > 0, "{added}");
            assert!(pretty.contains(&new[0].digest.to_string()));
            // Again, it changes nothing.
            let mut again = Index::parse(added.as_bytes()).unwrap();
            again.add(new, false).unwrap();
            assert_eq!(text(&again), added);
            if entries.len() > 1 {
                index.remove(&[platform("wasi/wasm")], &[]).unwrap();
                assert_eq!(text(&index), before);
            }
        }
    }
}

#[test]
fn new_entries_come_before_the_attestations_and_after_all_others() {
    let list = [entry("amd", "linux/amd64"), entry("arm", "linux/arm64"), attestation("amd")];
    let mut index = Index::parse(of_buildx(&list, 2).as_bytes()).unwrap();
    index.add(vec![attestation("wasm"), entry("wasm", "wasi/wasm")], false).unwrap();
    let expected =
        ["linux/amd64", "linux/arm64", "wasi/wasm", "unknown/unknown", "unknown/unknown"];
    assert_eq!(order(&index), expected);
    // The indentation is that of the others: two levels deep.
    let lines = text(&index);
    assert!(lines.contains("\n    {\n      \"digest\""), "{lines}");
}

#[test]
fn one_platform_has_one_entry() {
    let list = [entry("amd", "linux/amd64"), entry("arm", "linux/arm64/v8"), attestation("arm")];
    let mut index = Index::parse(of_buildx(&list, 0).as_bytes()).unwrap();
    let new = || vec![entry("new", "linux/arm64"), entry("wasm", "wasi/wasm")];
    let error = index.add(new(), false).unwrap_err().to_string();
    assert!(error.contains("linux/arm64/v8") && !error.contains("amd64"), "{error}");
    assert_eq!(index.entries().count(), 3);
    index.add(new(), true).unwrap();
    // In its place, and without what was said about the old one.
    assert_eq!(order(&index), ["linux/amd64", "linux/arm64", "wasi/wasm"]);
    // One image may have several for a platform.
    let mut index = Index::empty().unwrap();
    let both = || vec![entry("gzip", "linux/amd64"), entry("zstd", "linux/amd64")];
    index.add(both(), false).unwrap();
    index.add(both(), false).unwrap();
    assert_eq!(index.entries().count(), 2);
}

#[test]
fn an_attestation_goes_with_the_last_entry_that_it_is_about() {
    let list = [entry("one", "wasi/wasm"), entry("one", "linux/amd64"), attestation("one")];
    let mut index = Index::parse(of_buildx(&list, 2).as_bytes()).unwrap();
    index.remove(&[platform("wasi/wasm")], &[]).unwrap();
    assert_eq!(order(&index), ["linux/amd64", "unknown/unknown"]);
    index.add(vec![entry("two", "wasi/wasm")], false).unwrap();
    index.remove(&[], &[list[1].digest]).unwrap();
    assert_eq!(order(&index), ["wasi/wasm"]);
}

#[test]
fn what_is_not_there_can_not_be_removed_and_one_entry_stays() {
    let list = [entry("one", "wasi/wasm"), attestation("one")];
    let mut index = Index::parse(of_buildx(&list, 2).as_bytes()).unwrap();
    let error = index.remove(&[platform("linux/amd64")], &[]).unwrap_err().to_string();
    assert!(error.contains("`linux/amd64`") && error.contains("wasi/wasm"), "{error}");
    assert!(!error.contains("unknown"), "{error}");
    let error = index.remove(&[platform("wasi/wasm")], &[]).unwrap_err();
    assert!(matches!(error, Error::LastEntry), "{error}");
}

#[test]
fn a_list_of_docker_stays_one_as_long_as_every_entry_is_dockers() {
    let docker =
        Descriptor { media_type: MediaType::DockerManifest, ..entry("docker", "linux/amd64") };
    let list = of_buildx(&[docker], 3)
        .replace(MediaType::ImageIndex.as_str(), MediaType::DockerManifestList.as_str());
    let mut index = Index::parse(list.as_bytes()).unwrap();
    assert_eq!(index.to_blob().unwrap().descriptor().media_type, MediaType::DockerManifestList);
    index.add(vec![entry("wasm", "wasi/wasm")], false).unwrap();
    let blob = index.to_blob().unwrap();
    assert_eq!(blob.descriptor().media_type, MediaType::ImageIndex);
    let document: Value = serde_json::from_slice(&blob.bytes().unwrap()).unwrap();
    assert_eq!(document["mediaType"], MediaType::ImageIndex.as_str());
    index.remove(&[platform("wasi/wasm")], &[]).unwrap();
    assert_eq!(text(&index), list);
}

#[test]
fn the_entries_of_any_document_are_found() {
    for empty in [
        r#"{"schemaVersion":2,"manifests":null}"#,
        r#"{"manifests":[ ],"schemaVersion":2}"#,
        r#"{"schemaVersion":2,"manif\u0065sts" : [],"mediaType":"application/vnd.oci.image.index.v1+json"}"#,
    ] {
        let mut index = Index::parse(empty.as_bytes()).unwrap();
        index.add(vec![entry("wasm", "wasi/wasm")], false).unwrap();
        let read: Value = serde_json::from_str(&text(&index)).unwrap();
        assert_eq!(read["manifests"][0]["platform"], json!({"os": "wasi", "architecture": "wasm"}));
        assert_eq!(read["schemaVersion"], 2);
    }
    assert!(Index::parse(b"[]").is_err() && Index::parse(b"{}").is_err());
}

#[test]
fn platforms_select_entries_with_their_attestations() {
    let list = vec![
        entry("one", "windows(10.0.1)/amd64"),
        entry("two", "windows(10.0.2)/amd64"),
        entry("wasm", "wasi/wasm"),
        attestation("two"),
        attestation("wasm"),
    ];
    let of = |names: &[&str]| {
        let platforms: Vec<Platform> = names.iter().map(|name| platform(name)).collect();
        select(list.clone(), &platforms).map(|list| list.len())
    };
    assert_eq!(of(&[]).unwrap(), 5);
    assert_eq!(of(&["wasi/wasm"]).unwrap(), 2);
    assert_eq!(of(&["windows/amd64"]).unwrap(), 3);
    assert_eq!(of(&["windows(10.0.1)/amd64"]).unwrap(), 1);
    let error = of(&["wasi/wasm", "linux/arm"]).unwrap_err().to_string();
    assert!(error.contains("`linux/arm`") && error.contains("windows(10.0.1)/amd64"), "{error}");
}
