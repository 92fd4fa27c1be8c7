//! Debian's registry in its four modes, by the commands.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::certs::Kind;
use crate::harness::proxy::Proxy;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Registry, Run, wasm_oci};

/// A user's machine: a folder with a module, and an own configuration of Docker and cache.
pub(super) struct User {
    folder: TempDir,
}

impl User {
    pub(super) fn new() -> User {
        let folder = tempfile::tempdir().unwrap();
        let module = wat::parse_str(include_str!("../echo.wat")).unwrap();
        fs::write(folder.path().join("app.wasm"), module).unwrap();
        User { folder }
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = wasm_oci();
        command
            .args(words)
            .current_dir(self.folder.path())
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("WASM_OCI_CACHE_DIR", self.path("cache"));
        command
            .env("HOME", self.folder.path())
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("XDG_RUNTIME_DIR");
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Run {
        Run::of(&mut self.command(words))
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn log_in(&self, host: &str, more: &[&str]) -> Run {
        let words = [&["login", host, "-u", USER, "--password-stdin"], more].concat();
        Run::with_stdin(&mut self.command(&words), PASSWORD)
    }
}

/// Push, push again, pull, copy, mount, convert, tags, delete; the last by digest, as this registry has it.
pub(super) fn everything(user: &User, host: &str, flags: &[&str], mounts: bool) {
    let with = |words: &[&str]| user.run(&[words, flags].concat());
    let (one, two) = (format!("{host}/team/app:1"), format!("{host}/other/app:2"));
    let pushed = with(&["push", "app.wasm", &one]).success();
    let digest = pushed.stdout.trim().split_once('@').unwrap().1.to_owned();
    let again = with(&["push", "app.wasm", &one]).success();
    assert_eq!(pushed.stdout, again.stdout);
    assert!(!again.stderr.contains("Sent"), "{}", again.stderr);

    let _pulled = with(&["pull", &one, "--module", "out.wasm"]).success();
    assert!(!fs::read(user.path("out.wasm")).unwrap().is_empty());
    let copied = with(&["copy", &one, &two]).success();
    assert_eq!(copied.stdout.trim(), format!("{host}/other/app@{digest}"));
    // The blobs are taken from the other repository.
    assert_eq!(copied.stderr.contains("Mounted"), mounts, "{}", copied.stderr);
    let _layout = with(&["copy", &two, "oci:layout:x"]).success();
    let _archive = with(&["copy", &one, "oci-archive:app.tar:x"]).success();
    let back = with(&["copy", "oci-archive:app.tar:x", &format!("{host}/back:1")]).success();
    assert_eq!(back.stdout.trim(), format!("{host}/back@{digest}"));

    let artifact = format!("{host}/team/app:raw");
    let converted = with(&["convert", &one, &artifact, "--format", "artifact,module"]).success();
    assert_eq!(converted.stdout.lines().count(), 2, "{}", converted.stdout);
    let _raw = with(&["pull", &artifact, "--module", "raw.wasm"]).success();
    assert_eq!(fs::read(user.path("raw.wasm")).unwrap(), fs::read(user.path("out.wasm")).unwrap());
    let whole =
        with(&["convert", &artifact, "oci:layout:again", "--format", "universal"]).success();
    assert!(whole.stderr.contains(&digest), "not the image it was: {}", whole.stderr);

    let tags = with(&["tags", &format!("{host}/team/app")]).success();
    assert_eq!(tags.stdout.lines().collect::<Vec<_>>(), ["1", "raw", "raw-module"]);
    let by_tag = with(&["delete", &one]);
    assert_eq!(by_tag.code, 4, "{}", by_tag.stderr);
    assert!(by_tag.stderr.contains("can't delete single tags"), "{}", by_tag.stderr);
    let _deleted = with(&["delete", &format!("{host}/team/app@{digest}")]).success();
    assert_eq!(with(&["inspect", &one]).code, 4);
    let _still = with(&["inspect", &two]).success();
}

#[test]
fn plain() {
    everything(&User::new(), Registry::start().host(), &[], true);
}

#[test]
fn htpasswd() {
    let (user, server) = (User::new(), Registry::start_private());
    let refused = user.run(&["push", "app.wasm", &format!("{}/app:1", server.host())]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(
        refused.stderr.contains(&format!("wasm-oci login {}", server.host())),
        "{}",
        refused.stderr
    );
    let wrong = Run::with_stdin(
        &mut user.command(&["login", server.host(), "-u", USER, "--password-stdin"]),
        "nonsense",
    );
    assert_eq!(wrong.code, 5, "{}", wrong.stderr);
    assert!(!user.path("docker/config.json").exists(), "what doesn't work is not kept");
    let _in = user.log_in(server.host(), &[]).success();
    everything(&user, server.host(), &[], true);
    let _out = user.run(&["logout", server.host()]).success();
    assert_eq!(user.run(&["tags", &format!("{}/other/app", server.host())]).code, 5);
}

#[test]
fn tls() {
    let (user, server) = (User::new(), Registry::start_tls());
    let one = format!("{}/app:1", server.host());
    // Any other certificate: that there is one says that TLS is meant, on this machine too.
    let other = Registry::start_tls();
    let unknown =
        user.run(&["push", "app.wasm", &one, "--ca", other.certificate().to_str().unwrap()]);
    assert_eq!(unknown.code, 4, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("--ca FILE"), "{}", unknown.stderr);
    assert!(!unknown.stderr.contains("Retrying"), "{}", unknown.stderr);
    // One as Docker's instructions make it.
    let authority = Registry::start_tls_as(Kind::Authority);
    let ca = authority.certificate();
    let reference = format!("{}/app:1", authority.host());
    let _pushed =
        user.run(&["push", "app.wasm", &reference, "--ca", ca.to_str().unwrap()]).success();
    // For the names in it only; the other machines' names are not this one's.
    let elsewhere = reference.replace("127.0.0.1", "127.0.0.2");
    let proxied = user.run(&["push", "app.wasm", &elsewhere, "--ca", ca.to_str().unwrap()]);
    assert_eq!(proxied.code, 4, "{}", proxied.stderr);
    everything(&user, server.host(), &["--ca", server.certificate().to_str().unwrap()], true);
    // A folder that Docker also searches.
    let folder = user.path(".config/containers/certs.d").join(server.host());
    fs::create_dir_all(&folder).unwrap();
    fs::copy(server.certificate(), folder.join("ca.crt")).unwrap();
    let _tags = user.run(&["tags", &format!("{}/other/app", server.host())]).success();
}

#[test]
fn mutual_tls() {
    let (user, server) = (User::new(), Registry::start_mutual_tls());
    let (certificate, key) = (server.certificate(), server.certificate().with_file_name("key.pem"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let one = format!("{}/app:1", server.host());
    let refused = user.run(&["push", "app.wasm", &one, "--ca", certificate]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("--client-cert"), "{}", refused.stderr);
    let half =
        user.run(&["push", "app.wasm", &one, "--ca", certificate, "--client-cert", certificate]);
    assert_eq!(half.code, 2, "{}", half.stderr);
    everything(
        &user,
        server.host(),
        &["--ca", certificate, "--client-cert", certificate, "--client-key", key],
        true,
    );
}

#[test]
fn token() {
    let (user, server) = (User::new(), Registry::start_token());
    let refused = user.log_in(server.host(), &[]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(server.tokens().take_requests().is_empty(), "{}", refused.stderr);
    let named = ["--token-server", server.tokens().host()];
    let _in = user.log_in(server.host(), &named).success();
    everything(&user, server.host(), &named, true);
    let requests = server.tokens().take_requests();
    assert!(
        requests
            .iter()
            .any(|path| path.contains("other%2Fapp") && path.contains("team%2Fapp%3Apull")),
        "{requests:?}"
    );
    assert!(requests.iter().any(|path| path.contains("delete")), "{requests:?}");
}

#[test]
fn a_proxy_is_asked_for_what_is_not_on_this_machine() {
    let (user, server) = (User::new(), Registry::start());
    let proxy = Proxy::before(server.host());
    let push = |reference: &str, more: &[&str]| {
        let mut command = user.command(&[&["push", "app.wasm", reference], more].concat());
        Run::of(command.env("HTTP_PROXY", format!("http://{}", proxy.host()))).success()
    };
    let _far = push("registry.invalid/app:1", &["--insecure-registry", "registry.invalid"]);
    let asked = proxy.take_requests();
    assert!(
        asked.iter().any(|request| request.is("PUT", "http://registry.invalid/v2/app/manifests/1")),
        "{asked:?}"
    );
    let _near = push(&format!("{}/app:2", server.host()), &[]);
    assert!(proxy.take_requests().is_empty());
    assert_eq!(user.run(&["tags", &format!("{}/app", server.host())]).stdout, "1\n2\n");
}

#[test]
fn a_dry_run_lists_requests_and_writes_nothing() {
    let (user, server) = (User::new(), Registry::start());
    let proxy = Proxy::before(server.host());
    let reference = format!("{}/app:1", proxy.host());
    let dry = user.run(&["push", "app.wasm", &reference, "--dry-run"]).success();
    let lines: Vec<&str> = dry.stdout.lines().collect();
    assert!(
        lines.iter().any(|line| line.starts_with("PUT ") && line.contains("/manifests/1 (")),
        "{lines:?}"
    );
    assert!(proxy.take_requests().iter().all(|request| request.method == "HEAD"));
    let _pushed = user.run(&["push", "app.wasm", &reference]).success();
    let made = proxy.take_requests();
    let methods = |method: &str| made.iter().filter(|request| request.method == method).count();
    let listed = |method: &str| lines.iter().filter(|line| line.starts_with(method)).count();
    for method in ["HEAD", "POST", "PUT"] {
        assert_eq!(methods(method), listed(method), "{method}: {made:?}\n{lines:?}");
    }
    let again = user.run(&["push", "app.wasm", &reference, "--dry-run"]).success();
    assert!(again.stdout.lines().all(|line| line.starts_with("HEAD ")), "{}", again.stdout);
}
