//! `WWW-Authenticate` of a response: any bytes, one header a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::store::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    let headers: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    if let Some(realm) = fuzzing::bearer_realm(&headers, "https://registry.example.org/") {
        assert!(realm.starts_with("https://"), "{realm} would get a password in plain text");
    }
});
