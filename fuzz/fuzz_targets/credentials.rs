//! Files with logins, of Docker and of podman: any text. Whatever is in them, nothing is believed of another registry.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::store::StoredLogin;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fuzz_target!(
    init: {
        let folder = tempfile::tempdir().expect("a folder can be made").keep();
        // SAFETY: nothing else runs yet.
        unsafe {
            std::env::set_var("DOCKER_CONFIG", &folder);
            std::env::set_var("REGISTRY_AUTH_FILE", folder.join("auth.json"));
            std::env::remove_var("DOCKER_AUTH_CONFIG");
            // Credential helpers would be programs in these folders.
            std::env::set_var("PATH", "/nowhere");
            std::env::set_var("HOME", &folder);
            std::env::set_var("XDG_RUNTIME_DIR", &folder);
        }
        FOLDER.set(folder).expect("it is set once");
    },
    |bytes: &[u8]| {
        let folder = FOLDER.get().expect("it is set");
        for file in ["config.json", "auth.json"] {
            fs::write(folder.join(file), bytes).expect("it can be written");
            for host in ["ghcr.io", "docker.io", "localhost:5000"] {
                if let Ok(found) = StoredLogin::find(host, "me/app") {
                    assert!(!format!("{found:?}").contains("secret"), "Debug shows a password");
                }
            }
            fs::remove_file(folder.join(file)).expect("it is there");
        }
    }
);
