//! Images of several layers, as other tools write them.

use std::io::Write as _;

use super::*;
use crate::limits::ReadLimits;

/// An entry of a tar.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    File(&'a str, &'a str),
    Folder(&'a str),
    Symlink(&'a str, &'a str),
    Hard(&'a str, &'a str),
}
pub(crate) use Entry::{File, Folder, Hard, Symlink};

pub(crate) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        // Not `append_data`, which refuses paths that hostile layers have.
        let (kind, path, target, content) = match *entry {
            File(path, content) => (tar::EntryType::Regular, path, None, content),
            Folder(path) => (tar::EntryType::Directory, path, None, ""),
            Symlink(path, target) => (tar::EntryType::Symlink, path, Some(target), ""),
            Hard(path, target) => (tar::EntryType::Link, path, Some(target), ""),
        };
        if kind == tar::EntryType::Directory {
            header.set_mode(0o755);
        }
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(target) = target {
            header.set_link_name_literal(target).unwrap();
        }
        header.set_cksum();
        tar.append(&header, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A tar of files with any content.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn manifest_of(config: &str, layers: Vec<Blob>) -> Manifest {
    let config = Blob::new(MediaType::ImageConfig, config.as_bytes().to_vec());
    let document = ManifestDocument {
        config: config.descriptor().clone(),
        layers: layers.iter().map(|layer| layer.descriptor().clone()).collect(),
        annotations: std::collections::BTreeMap::new(),
    };
    let blob = document.to_blob().unwrap();
    Manifest::from_parts(blob, document, config, layers, ReadLimits::default()).unwrap()
}

fn manifest(layers: &[&[Entry<'_>]]) -> Manifest {
    let layers = layers.iter().map(|layer| Blob::new(MediaType::ImageLayer, tar(layer))).collect();
    manifest_of(r#"{"config":{"Entrypoint":["/app.wasm"]}}"#, layers)
}

/// The merged tree without the module, as `path`, `path/`, `path -> target` or `path = other`.
fn tree(layers: &[&[Entry<'_>]]) -> Vec<String> {
    let mut with_module = vec![&[File("app.wasm", "\0asm\x01\0\0\0")][..]];
    with_module.extend(layers);
    let manifest = manifest(&with_module);
    assert_eq!(manifest.module().unwrap().bytes(), b"\0asm\x01\0\0\0");
    let text = |file: &IncludedFile| match file.kind() {
        FileKind::File(content) => format!("{} {}", file.path(), String::from_utf8_lossy(content)),
        FileKind::Folder => format!("{}/", file.path()),
        FileKind::Symlink(target) => format!("{} -> {target}", file.path()),
        FileKind::HardLink(other) => format!("{} = {other}", file.path()),
    };
    manifest.included().unwrap().iter().map(text).collect()
}

#[test]
fn whiteouts_hide_files_of_lower_layers_only() {
    let lower = [File("a/x", "1"), File("a/y", "1"), Folder("gone"), File("gone/z", "1")];
    assert_eq!(tree(&[&lower, &[File("a/.wh.x", ""), File(".wh.gone", "")]]), ["a/y 1"]);
    // In the same layer as the file, before and after it.
    for upper in [[File("a/.wh.x", ""), File("a/x", "2")], [File("a/x", "2"), File("a/.wh.x", "")]]
    {
        assert_eq!(tree(&[&lower, &upper]), ["a/x 2", "a/y 1", "gone/z 1"]);
    }
    // Of a folder that the same layer makes again.
    let upper = [File("gone/new", "2"), File(".wh.gone", ""), File("a/.wh.none", "")];
    assert_eq!(tree(&[&lower, &upper]), ["a/x 1", "a/y 1", "gone/new 2"]);
    // What is deleted can come back.
    assert_eq!(tree(&[&lower, &[File(".wh.a", "")], &[File("a/x", "3")]]), ["a/x 3", "gone/z 1"]);
    // A name that only starts like that of a deleted folder stays.
    let lower = [File("a/x", "1"), File("a-b/x", "1"), File("ab", "1")];
    assert_eq!(tree(&[&lower, &[File(".wh.a", "")]]), ["a-b/x 1", "ab 1"]);
}

#[test]
fn opaque_folders_keep_only_their_own_layer() {
    let lower = [File("old/a", "1"), File("old/sub/b", "1"), File("c", "1")];
    for upper in [
        [File("old/.wh..wh..opq", ""), File("old/n", "2")],
        [File("old/n", "2"), File("old/.wh..wh..opq", "")],
    ] {
        assert_eq!(tree(&[&lower, &upper]), ["c 1", "old/n 2"]);
    }
    assert_eq!(tree(&[&lower, &[File("old/.wh..wh..opq", "")]]), ["c 1", "old/"]);
    let again = [File("old/a", "3")];
    assert_eq!(tree(&[&lower, &[File("old/.wh..wh..opq", "")], &again]), ["c 1", "old/a 3"]);
}

#[test]
fn links_reach_into_lower_layers_and_stay_in_the_image() {
    let lower = [File("data/keep", "1"), Symlink("lnk", "/data"), Symlink("out", "../../data")];
    // Through a link to a folder, absolute or leading out of the image.
    let upper = [File("lnk/new", "2"), File("out/.wh.keep", ""), Hard("h", "lnk/new")];
    let expected = ["data/new 2", "h = data/new", "lnk -> /data", "out -> ../../data"];
    assert_eq!(tree(&[&lower, &upper]), expected);
    // A hard link keeps a file that a later layer deletes under its other name.
    let links = [Hard("h", "data/keep"), Hard("h2", "h")];
    let expected = ["h 1", "h2 = h", "lnk -> /data", "out -> ../../data"];
    assert_eq!(tree(&[&lower, &links, &[File(".wh.data", "")]]), expected);
    // A hard link in the same layer as the whiteout of its other name.
    let error = manifest(&[&[File("app.wasm", "")], &[Hard("h", "none")]]).included().unwrap_err();
    assert!(error.to_string().contains("`h` is a hard link to `none`"), "{error}");
}

#[test]
fn loops_and_paths_out_of_the_image_are_refused() {
    let loops = [Symlink("a", "b"), Symlink("b", "a"), File("a/x", "")];
    let error = manifest(&[&loops]).included().unwrap_err();
    assert!(error.to_string().contains("in a circle"), "{error}");
    for layer in [[File("../x", "")], [File("a/../../x", "")], [File("a/.wh...", "")]] {
        assert!(manifest(&[&layer]).included().is_err());
    }
    assert_eq!(tree(&[&[Symlink("self", "self")]]), ["self -> self"]);
}

#[test]
fn a_file_and_a_folder_take_each_others_place() {
    let (file, folder) = ([File("a", "1")], [Folder("a"), File("a/b", "2")]);
    assert_eq!(tree(&[&file, &folder]), ["a/b 2"]);
    assert_eq!(tree(&[&file, &folder[1..]]), ["a/b 2"]);
    assert_eq!(tree(&[&folder, &file]), ["a 1"]);
    assert_eq!(tree(&[&folder, &[Folder("a")]]), ["a/b 2"]);
    let link = [Symlink("a", "/etc")];
    assert_eq!(tree(&[&folder, &link]), ["a -> /etc"]);
    assert_eq!(tree(&[&link, &folder]), ["a/b 2"]);
}

#[test]
fn files_of_aufs_are_only_sources_of_hard_links() {
    let layer = [
        Folder(".wh..wh.plnk"),
        File(".wh..wh.plnk/1.2", "p"),
        Hard("linked", ".wh..wh.plnk/1.2"),
        File(".wh..wh.aufs", ""),
        File("a/.wh..wh.orph", ""),
    ];
    assert_eq!(tree(&[&layer]), ["linked p"]);
}

#[test]
fn long_names_of_both_kinds_are_read() {
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    gnu.append_data(&mut header, &long, &b"g"[..]).unwrap();
    let mut pax = tar::Builder::new(Vec::new());
    let records = [
        ("path", long.as_bytes()),
        ("mtime", b"1234567890.75"),
        ("SCHILY.xattr.user.a", b"\0x"),
        ("uid", b"3000000"),
    ];
    pax.append_pax_extensions(records).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(1);
    header.set_cksum();
    pax.append(&header, &b"p"[..]).unwrap();
    let layers = [gnu, pax].map(|it| Blob::new(MediaType::ImageLayer, it.into_inner().unwrap()));
    let config = r#"{"config":{"Entrypoint":["/app.wasm"]}}"#;
    for (layer, content) in layers.iter().zip([b"g", b"p"]) {
        let files = manifest_of(config, vec![layer.clone()]).included().unwrap();
        assert_eq!((files[0].path(), files[0].content()), (long.as_str(), &content[..]));
    }
    let files = manifest_of(config, layers[1..].to_vec()).included().unwrap();
    let attributes = files[0].attributes();
    assert_eq!((attributes.uid, attributes.mtime), (3_000_000, 1_234_567_890));
    assert_eq!(attributes.xattrs["user.a"], b"\0x");
    let mut longer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    longer.append_data(&mut header, "x/".repeat(2_500), &b""[..]).unwrap();
    let layer = Blob::new(MediaType::ImageLayer, longer.into_inner().unwrap());
    let error = manifest_of(config, vec![layer]).included().unwrap_err();
    assert!(error.to_string().contains("4096"), "{error}");
}

#[test]
fn the_bytes_tell_the_compression() {
    let tar = tar(&[File("app.wasm", "\0asm\x01\0\0\0"), File("a", "1")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&*tar, 3).unwrap();
    // A skippable frame, as zstd:chunked has, and two frames in a row.
    let half = tar.len() / 2;
    let frames = [
        &b"\x50\x2a\x4d\x18\x02\0\0\0xx"[..],
        &zstd::encode_all(&tar[..half], 3).unwrap(),
        &zstd::encode_all(&tar[half..], 3).unwrap(),
    ];
    let types = [MediaType::ImageLayer, MediaType::ImageLayerGzip, MediaType::ImageLayerZstd];
    let contents = [(&tar, 0), (&gzip, 1), (&zstd, 2), (&frames.concat(), 2)];
    for (bytes, right) in contents {
        for (index, media_type) in types.iter().enumerate() {
            let layer = Blob::new(media_type.clone(), bytes.clone());
            let manifest = manifest_of(r#"{"config":{"Entrypoint":["/app.wasm"]}}"#, vec![layer]);
            assert_eq!(manifest.included().unwrap()[0].content(), b"1", "{media_type}");
            let is_right = manifest.warnings().is_empty();
            assert_eq!(is_right, index == right, "{media_type}");
        }
    }
    let xz = Blob::new(MediaType::ImageLayer, b"\xfd7zXZ\0".to_vec());
    let error = manifest_of("{}", vec![xz]).included().unwrap_err().to_string();
    assert!(error.contains("compressed with xz"), "{error}");
}

#[test]
fn settings_and_attributes_survive_another_format() {
    let module = "\0asm\x01\0\0\0";
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind, mode, owner, content: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner + 1);
        header.set_mtime(1_000_000_000 + owner);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    };
    add("opt/app", tar::EntryType::Regular, 0o555, 7, module);
    add("etc/secret", tar::EntryType::Regular, 0o600, 0, "s");
    add("tmp", tar::EntryType::Directory, 0o1777, 0, "");
    add("fifo", tar::EntryType::Fifo, 0o600, 0, "");
    let tar = Blob::new(MediaType::ImageLayer, tar.into_inner().unwrap());
    let config = r#"{"os":"wasi","architecture":"wasm","config":{"Entrypoint":["./app","-x"],"WorkingDir":"/opt","StopSignal":"SIGINT"}}"#;
    let source = single_of(manifest_of(config, vec![tar]));
    let (settings, left_out) = ImageSettings::of(&source).unwrap();
    assert_eq!(left_out, ["`fifo`: a device, a pipe or another special file"]);
    let module = BuiltModule::new("app", module.as_bytes().to_vec()).unwrap();
    let module = validate(module.unoptimized(), &ValidateOptions::default()).unwrap();
    let image = assemble(&module, &settings, &[Format::Container]).unwrap().remove(0);
    let config = image.manifests()[0].config();
    assert_eq!(config.entrypoint, ["/opt/app", "-x"]);
    assert_eq!(config.working_dir.as_deref(), Some("/opt"));
    let tree = image.manifests()[0].module_and_root().unwrap().1;
    let found: Vec<_> = tree
        .entries()
        .iter()
        .map(|file| {
            let Attributes { mode, uid, gid, mtime, .. } = *file.attributes();
            (file.path().to_owned(), mode, uid, gid, mtime - 1_000_000_000)
        })
        .collect();
    let expected =
        [("etc/secret", 0o600, 0, 1, 0), ("opt/app", 0o555, 7, 8, 7), ("tmp", 0o1777, 0, 1, 0)];
    assert_eq!(
        found,
        expected.map(|(path, mode, uid, gid, time)| (path.to_owned(), mode, uid, gid, time))
    );
    // The same again.
    let (again, left_out) = ImageSettings::of(&image).unwrap();
    assert!(left_out.is_empty());
    let image_again = assemble(&module, &again, &[Format::Container]).unwrap().remove(0);
    assert_eq!(image_again.digest(), image.digest());
    // A format without files refuses them, but only names a folder that it can't have.
    assert!(assemble(&module, &settings, &[Format::Module]).is_err());
    let mut folder_only = settings.clone();
    folder_only.include.retain(|file| *file.kind() == FileKind::Folder);
    assert!(assemble(&module, &folder_only, &[Format::Module]).is_ok());
    let expected = ["the folder `/tmp`", "mode, owner and time of the module"];
    assert_eq!(folder_only.left_out_of(Format::Module), expected);
}

pub(super) fn single_of(manifest: Manifest) -> Image {
    Image::from_parts(manifest.blob().clone(), Vec::new(), vec![manifest])
}

#[test]
fn layers_can_be_compressed_with_zstd() {
    let mut settings = ImageSettings::new("app");
    settings.compression = LayerCompression::Zstd;
    let images = assemble(&module(), &settings, &[Format::Universal, Format::Combined]).unwrap();
    for image in &images {
        let layer = image.manifests()[0].layers()[0].descriptor().media_type.as_str();
        assert_eq!(layer, "application/vnd.oci.image.layer.v1.tar+zstd");
        assert_eq!(image.wasm_manifest().unwrap().module().unwrap().bytes(), module().bytes());
        // What is made of it again is the same.
        let (again, _) = ImageSettings::of(image).unwrap();
        let again = assemble(&module(), &again, &[image.format()]).unwrap().remove(0);
        assert_eq!(again.digest(), image.digest());
    }
}

#[test]
fn targets_stay_inside() {
    let inside = |path, target| super::target_inside(path, target);
    assert_eq!(inside("a/l", "b"), "b");
    assert_eq!(inside("a/l", "../b"), "../b");
    assert_eq!(inside("a/l", "/etc/x"), "../etc/x");
    assert_eq!(inside("l", "/"), ".");
    assert_eq!(inside("a/b/l", "../../../etc"), "../../etc");
    assert_eq!(inside("l", "../x/../y"), "y");
    assert_eq!(inside("a/l", "x/../../../y"), "../y");
}

#[test]
fn what_a_new_image_cannot_have_is_named() {
    let layer = || Blob::new(MediaType::ImageLayer, tar(&[File("app.wasm", "\0asm\x01\0\0\0")]));
    let manifest = |platform: &str, more: &str, env: &str| {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config = format!(
            r#"{{"os":"{os}","architecture":"{architecture}"{more},"config":{{"Entrypoint":["/app.wasm"],"Env":["{env}"]}}}}"#
        );
        manifest_of(&config, vec![layer()])
    };
    let more = r#","created":"2026-01-01T00:00:00.5Z","history":[{}],"variant":"v1","os.version":"","x":1"#;
    let wasm = manifest("wasi/wasm", more, "A=1");
    let linux = manifest("linux/amd64", "", "A=2");
    let same = manifest("linux/arm64", "", "A=1");
    let root = wasm.blob().clone();
    let image = Image::from_parts(root, Vec::new(), vec![wasm, linux, same]);
    let (_, left_out) = ImageSettings::of(&image).unwrap();
    let expected = [
        "`history` of the configuration",
        "`variant` of the configuration",
        "`x` of the configuration",
        "the fraction of a second of `created`",
        "the settings of linux/amd64 that differ from those for WebAssembly: Env",
    ];
    assert_eq!(left_out, expected);
}

#[test]
fn foreign_layers_are_tars() {
    for media_type in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    ] {
        let tar = tar(&[File("app.wasm", "\0asm\x01\0\0\0")]);
        let layer = Blob::new(MediaType::from(media_type), tar);
        let manifest = manifest_of(r#"{"config":{"Entrypoint":["/app.wasm"]}}"#, vec![layer]);
        assert!(manifest.module().is_ok(), "{media_type}");
    }
}
