//! The programs that engines start.

use super::layers::{Entry, File, Folder, Hard, Symlink, manifest_of, single_of, tar};
use super::*;

#[test]
fn the_command_is_found_as_an_engine_finds_it() {
    let module = "\0asm\x01\0\0\0";
    let found = |config: &str, entries: &[Entry<'_>]| {
        let layer = Blob::new(MediaType::ImageLayer, tar(entries));
        // Two modules, so that only the command can tell them apart.
        let other = Blob::new(MediaType::ImageLayer, tar(&[File("x/other.wasm", "")]));
        let config = format!(r#"{{"config":{config}}}"#);
        manifest_of(&config, vec![layer, other]).module().map(|module| module.bytes().to_vec())
    };
    let at_root = [File("hello.wasm", module), File("b.wasm", "")];
    for word in ["/hello.wasm", "./hello.wasm", "hello.wasm", "//hello.wasm#run", "x/../hello.wasm"]
    {
        let config = format!(r#"{{"Entrypoint":["{word}"]}}"#);
        assert_eq!(found(&config, &at_root).unwrap(), module.as_bytes(), "{word}");
        // No engine looks for a relative one in the root folder then.
        let config = format!(r#"{{"Entrypoint":["{word}"],"WorkingDir":"/data"}}"#);
        assert_eq!(found(&config, &at_root).is_ok(), word.starts_with('/'), "{word} in /data");
    }
    let in_data =
        [File("data/hello.wasm", module), File("hello.wasm", ""), File("bin/tool", module)];
    for word in ["./hello.wasm", "hello.wasm", "hello.wasm#run", "sub/../hello.wasm"] {
        let config = format!(r#"{{"Entrypoint":["{word}"],"WorkingDir":"/data"}}"#);
        assert_eq!(found(&config, &in_data).unwrap(), module.as_bytes(), "{word}");
    }
    // As runwasi's shims do: a name alone is looked up in the folders of their own `PATH` first.
    let on_path = [File("bin/hello.wasm", module), File("data/hello.wasm", "")];
    let config = r#"{"Entrypoint":["hello.wasm"],"WorkingDir":"/data"}"#;
    assert_eq!(found(config, &on_path).unwrap(), module.as_bytes());
    // As the kernel does: `..` is the folder above the one that a link leads to.
    let linked =
        [File("lib/hello.wasm", module), File("hello.wasm", ""), Symlink("link", "lib/sub")];
    let config = r#"{"Entrypoint":["/link/../hello.wasm"]}"#;
    assert_eq!(found(config, &linked).unwrap(), module.as_bytes());
    let config = r#"{"Cmd":["tool"],"Env":["PATH=/sbin:/bin"]}"#;
    assert_eq!(found(config, &in_data).unwrap(), module.as_bytes());
    // Links, also to a name that says nothing.
    let links = [
        File("lib/m", module),
        Hard("h", "lib/m"),
        Symlink("app", "/lib/../h"),
        Symlink("s", "app"),
    ];
    for word in ["/lib/m", "/h", "/app", "s"] {
        let config = format!(r#"{{"Entrypoint":["{word}"]}}"#);
        assert_eq!(found(&config, &links).unwrap(), module.as_bytes(), "{word}");
    }
    assert!(found(r#"{"Entrypoint":["/none"]}"#, &at_root).is_err());
}

#[test]
fn a_command_that_is_no_file_is_never_replaced_by_another_module() {
    let module = "\0asm\x01\0\0\0";
    let lower = [File("app.wasm", module), File("other.wasm", module)];
    let upper = [File(".wh.app.wasm", ""), Folder("dir")];
    let of = |config: &str| {
        let layers = [&lower[..], &upper[..]].map(|it| Blob::new(MediaType::ImageLayer, tar(it)));
        manifest_of(&format!(r#"{{"config":{config}}}"#), layers.to_vec())
    };
    for word in ["/app.wasm", "/nope", "/bin/sh", "/dir", "app.wasm#run"] {
        let manifest = of(&format!(r#"{{"Entrypoint":["{word}","-c"]}}"#));
        let errors = [
            manifest.module().map(drop),
            manifest.module_and_root().map(drop),
            ImageSettings::of(&single_of(manifest)).map(drop),
        ];
        for error in errors {
            let error = error.unwrap_err().to_string();
            let word = word.trim_end_matches("#run");
            assert!(error.contains(&format!("`{word}`, which is not a file in it")), "{error}");
            assert!(error.contains("(it has `/other.wasm`)"), "{error}");
        }
    }
    // Without a command there is nothing to choose.
    assert_eq!(of("{}").module().unwrap().bytes(), module.as_bytes());
}

#[test]
fn every_program_that_an_engine_may_start_is_known() {
    let [one, two, three] = ["\x01", "\x02", "\x03"].map(|n| format!("\0asm\x01\0\0\0{n}"));
    let config = r#"{"os":"wasi","architecture":"wasm","config":{"Entrypoint":["app.wasm"],"WorkingDir":"/x"}}"#;
    let files = [File("x/app.wasm", &one), File("usr/bin/app.wasm", &two), File("app.wasm", "")];
    let layer = Blob::new(MediaType::ImageLayer, tar(&files));
    let bare = Blob::new(MediaType::Wasm, three.as_bytes().to_vec());
    let wasm = manifest_of(config, vec![layer.clone(), bare]);
    let native = tar(&[File("x/app.wasm", "\x7fELF")]);
    let native = manifest_of(
        &config.replace("wasi", "linux").replace("\"wasm\"", "\"amd64\""),
        vec![Blob::new(MediaType::ImageLayer, native)],
    );
    let attested =
        manifest_of("{}", vec![Blob::new("application/vnd.in-toto+json".into(), *b"{}")]);
    let root = wasm.blob().clone();
    let image = Image::from_parts(root, Vec::new(), vec![native, attested, wasm]);
    let programs = image.programs().unwrap();
    let digest = |text: &str| Some(Digest::of(text.as_bytes()));
    let found: Vec<_> = programs.iter().map(|it| (it.digest, it.module.is_ok())).collect();
    let expected = [
        (digest(&three), true),
        (digest(&two), true),
        (digest(&one), true),
        (digest("\x7fELF"), false),
    ];
    assert_eq!(found, expected);
    assert_eq!(programs[3].place, "/x/app.wasm for linux/amd64");
    assert!(several_programs(&programs).unwrap().contains("4 programs"));
    assert!(several_programs(&programs[..1]).is_none());
}
