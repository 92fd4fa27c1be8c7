//! `registry serve`: layouts, spoken to as a registry that has the referrers API and mounts nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::modes::{User, everything};
use crate::harness::{Run, Serving, tools, wasm_oci};

fn serve(folder: &Path) -> Serving {
    let mut command = wasm_oci();
    command.args(["registry", "serve", "--port", "0"]).arg(folder);
    Serving::start(command.stderr(Stdio::null()))
}

/// With Ctrl-C.
fn stop(mut served: Serving) -> i32 {
    served.signal("INT");
    served.exit_code()
}

#[test]
fn push_pull_and_all_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path());
    everything(&User::new(), served.address(), &[], false);
    assert_eq!(stop(served), 0);
}

#[test]
fn what_was_pushed_is_a_layout_and_a_layout_is_a_repository() {
    let (user, folder) = (User::new(), tempfile::tempdir().unwrap());
    let _packed = user
        .run(&[
            "pack",
            "app.wasm",
            "--oci-layout-path",
            folder.path().join("packed").to_str().unwrap(),
        ])
        .success();
    let served = serve(folder.path());
    let packed =
        user.run(&["copy", &format!("{}/packed", served.address()), "oci:copied"]).success();
    let run = user.run(&["run", packed.stdout.trim(), "--", "hello"]);
    assert_eq!((run.stdout.as_str(), run.code), ("/app.wasm\nhello\n", 7), "{}", run.stderr);

    let reference = format!("{}/team/app:1", served.address());
    let pushed = user.run(&["push", "app.wasm", &reference]).success();
    let layout = format!("oci:{}:1", folder.path().join("team/app").display());
    let inspected = user.run(&["inspect", "--json", &layout]).success();
    assert!(inspected.stdout.contains(pushed.stdout.trim().split_once('@').unwrap().1));
    let mut skopeo = Command::new(tools::program("skopeo"));
    skopeo.args(["--insecure-policy", "copy", "--all", "--src-tls-verify=false"]);
    skopeo
        .arg(format!("docker://{reference}"))
        .arg(format!("oci:{}:1", user.path("skopeo").display()));
    let _copied = Run::of(&mut skopeo).success();
    // skopeo pushes to it, too.
    let mut skopeo = Command::new(tools::program("skopeo"));
    skopeo.args(["--insecure-policy", "copy", "--all", "--dest-tls-verify=false", &layout]);
    let _pushed =
        Run::of(skopeo.arg(format!("docker://{}/by/skopeo:2", served.address()))).success();
    assert_eq!(
        user.run(&["tags", &format!("{}/by/skopeo", served.address())]).success().stdout,
        "2\n"
    );

    // It is there again after a restart.
    assert_eq!(stop(served), 0);
    let served = serve(folder.path());
    assert_eq!(
        user.run(&["tags", &format!("{}/team/app", served.address())]).success().stdout,
        "1\n"
    );
    assert_eq!(user.run(&["tags", &format!("{}/nothing", served.address())]).code, 0);
}

#[test]
fn pages_in_a_browser_cannot_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = serve(folder.path());
    let uploads = format!("http://{}/v2/app/blobs/uploads/", served.address());
    let post = |header: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--request", "POST", "--header", header, &uploads]);
        Run::of(&mut curl).success().stdout
    };
    let own = format!("Origin: http://{}", served.address());
    let port = served.address().rsplit(':').next().unwrap();
    for header in [&own, "Host: localhost", &format!("Host: registry.localhost:{port}")] {
        assert!(post(header).starts_with("HTTP/1.1 202"), "{header}");
    }
    for header in [
        // Its name was rebound to 127.0.0.1.
        &format!("Host: evil.test:{port}"),
        "Host: localhost.evil.test",
        "Origin: http://evil.test",
        "Origin: null",
    ] {
        let answer = post(header);
        assert!(answer.starts_with("HTTP/1.1 403"), "{header}: {answer}");
        assert!(
            answer.contains("\"DENIED\"") && answer.contains("this registry answers"),
            "{answer}"
        );
    }
    served.signal("TERM");
    assert_eq!(served.exit_code(), 0);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let run = Run::of(wasm_oci().args(["registry", "serve", "--port", &port]).arg(folder.path()));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(
        run.stderr.contains(&format!("127.0.0.1:{port}")) && run.stderr.contains("--port"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
