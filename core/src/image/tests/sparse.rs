//! Sparse files in the PAX formats, as GNU tar writes them.

use super::layers::manifest_of;
use super::*;

const MODULE: &[u8; 8] = b"\0asm\x01\0\0\0";

fn layer(records: &[(&str, &str)], header_name: &str, content: &[u8]) -> Blob {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions(records.iter().map(|(key, value)| (*key, value.as_bytes()))).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, header_name, content).unwrap();
    Blob::new(MediaType::ImageLayer, tar.into_inner().unwrap())
}

/// The module, then zeros, then an `x`, as each version writes it.
fn layers() -> [Blob; 3] {
    let content = [&MODULE[..], b"x"].concat();
    let mut table = b"2\n0\n8\n4999\n1\n".to_vec();
    table.resize(512, 0);
    let named = |mut records: Vec<(&'static str, &'static str)>| {
        records.push(("GNU.sparse.name", "app.wasm"));
        records
    };
    let piece = |start, length| [("GNU.sparse.offset", start), ("GNU.sparse.numbytes", length)];
    let size = [("GNU.sparse.size", "5000"), ("GNU.sparse.numblocks", "2")];
    let v00 = [&size[..], &piece("0", "8"), &piece("4999", "1")].concat();
    let v01 = named([&size[..], &[("GNU.sparse.map", "0,8,4999,1")]].concat());
    let v10 = named(vec![
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "5000"),
    ]);
    [
        layer(&v00, "app.wasm", &content),
        layer(&v01, "GNUSparseFile.7/app.wasm", &content),
        layer(&v10, "GNUSparseFile.7/app.wasm", &[table, content].concat()),
    ]
}

#[test]
fn sparse_files_are_whole_and_have_their_own_name() {
    for layer in layers() {
        let mut expected = MODULE.to_vec();
        expected.resize(4999, 0);
        expected.push(b'x');
        let config = r#"{"config":{"Entrypoint":["/app.wasm"]}}"#;
        let manifest = manifest_of(config, vec![layer]);
        assert_eq!(manifest.module().unwrap().bytes(), expected);
        let (_, tree) = manifest.module_and_root().unwrap();
        assert!(tree.is_empty(), "{tree:?}");
    }
}

#[test]
fn sparse_files_that_lie_are_refused() {
    let error = |records: &[(&str, &str)], content: &[u8]| {
        let manifest = manifest_of("{}", vec![layer(records, "a", content)]);
        manifest.included().unwrap_err().to_string()
    };
    let of_map = |size: &str, map: &str| {
        error(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)], b"12345678")
    };
    assert!(of_map("8", "4,8").contains("outside"));
    assert!(of_map("8", "4,4,0,4").contains("overlap"));
    assert!(of_map("8", "18446744073709551615,8").contains("outside"));
    assert!(of_map("8", "4").contains("no length"));
    assert!(of_map("8", "-1,1").contains("not a number"));
    assert!(of_map("18446744073709551615", "0,8").contains("--read-limit memory"));
    let later = [("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")];
    assert!(error(&later, b"").contains("version 2.0"));
    let table = |table: &str| {
        let mut block = table.as_bytes().to_vec();
        block.resize(512, 0);
        let version =
            [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "8")];
        error(&version, &block)
    };
    assert!(table("18446744073709551615\n").contains("too large"));
    assert!(!table("300\n0\n1\n").is_empty());
    assert!(table("x").contains("not a number"));
}
