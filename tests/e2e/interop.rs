//! Interoperation with hosts other than containers: pulls our module out of an image in a registry, and runs it in Node, in a
//! browser and in workers, with the code of `examples/` that the book shows.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::harness::commands::{cargo, example, lasting, root};
use crate::harness::{Browser, Registry, Run, cargo_wasm_oci, tools, wasm_oci};

/// A copy of an example's folder, with the module of a crate of ours that was pushed to a registry and pulled from there.
struct Folder(TempDir);

impl Folder {
    fn new(of: &str, program: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for entry in fs::read_dir(root().join("examples").join(of)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, folder.path(path.file_name().unwrap())).unwrap();
            }
        }
        let registry = Registry::start();
        let reference = format!("{}/me/{program}:1.0", registry.host());
        let mut push = cargo_wasm_oci();
        push.args(["wasm-oci", "push", "--locked", &reference, "--manifest-path"])
            .arg(example(program));
        let _pushed = Run::of(push.arg("--target-dir").arg(lasting(program))).success();
        let mut pull = wasm_oci();
        let module = folder.path(format!("{program}.wasm"));
        let _pulled = Run::of(pull.args(["pull", &reference, "--module"]).arg(module)).success();
        folder
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn npm_ci(&self) {
        let _installed = Run::of(tools::npm().arg("ci").current_dir(self.0.path())).success();
    }
}

#[test]
fn node_gives_a_program_what_it_is_told_to() {
    let folder = Folder::new("node", "hello");
    let node = |args: &[&str], stdin: &str| {
        let mut node = Command::new(tools::program("node"));
        node.args(["--no-warnings", "run.mjs"]).args(args).current_dir(folder.0.path());
        Run::with_stdin(node.env("INHERITED", "from here").env("OTHER", "unseen"), stdin)
    };
    let run = node(&["--env", "GIVEN=a=b", "--env", "INHERITED", "hello.wasm", "--"], "").success();
    assert_eq!(run.stdout, "Hello, world!\n");
    let shown = ["GIVEN", "INHERITED", "OTHER"].map(|name| ["--env", name]).concat();
    let args = [
        &["--env", "GIVEN=a=b", "--env", "INHERITED", "hello.wasm", "--", "--name", "Node"],
        &shown[..],
    ];
    let run = node(&args.concat(), "").success();
    assert_eq!(run.stdout, "Hello, Node!\nGIVEN=a=b\nINHERITED=from here\nOTHER is not set\n");

    let run = node(&["hello.wasm", "--", "--upper", "--exit", "3"], "straße\n");
    assert_eq!((run.stdout.as_str(), run.code), ("Hello, world!\nSTRASSE\n", 3));

    // A folder, by the name that the program knows it by.
    let folder = Folder::new("node", "image-filter");
    fs::copy(example("image-filter").with_file_name("sample.png"), folder.path("in.png")).unwrap();
    let mut node = Command::new(tools::program("node"));
    node.args(["--no-warnings", "run.mjs", "--dir", ".::/pictures", "image-filter.wasm", "--"]);
    node.args(["-i", "/pictures/in.png", "-o", "/pictures/out.png", "invert"])
        .current_dir(folder.0.path());
    let _ran = Run::of(&mut node).success();
    assert!(fs::read(folder.path("out.png")).unwrap() == natively(&["invert"]));
}

#[test]
fn a_browser_shows_what_the_program_makes_of_a_picture() {
    let folder = Folder::new("browser", "image-filter");
    folder.npm_ci();
    fs::write(folder.path("native.png"), natively(&["blur:1", "edges", "invert"])).unwrap();
    fs::write(folder.path("no picture.png"), "no picture").unwrap();
    let mut python = Command::new(tools::program("python3"));
    python
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
        .current_dir(folder.0.path());
    let server = Server::start(&mut python, "(http://");
    let sample = example("image-filter").with_file_name("sample.png");
    let screenshots = lasting("screenshots");
    fs::create_dir_all(&screenshots).unwrap();
    // Both as the page has them: a canvas, and a file.
    let script = r#"
        const pixels = `async (image) => {
            const canvas = new OffscreenCanvas(image.width, image.height);
            canvas.getContext("2d").drawImage(image, 0, 0);
            return [...canvas.getContext("2d").getImageData(0, 0, image.width, image.height).data].join();
        }`;
        const size = "[after.width, after.height].join()";
        await page.choose("input[type=file]", NO_PICTURE);
        await page.until("document.querySelector('[role=status]').textContent !== ''");
        const refused = await page.value("document.querySelector('[role=status]').textContent");
        await page.choose("input[type=file]", SAMPLE);
        await page.until("after.width === 160 && !document.querySelector('fieldset').disabled");
        await page.screenshot(FOLDER + "/browser-before.png");
        await page.value(`(() => {
            const { blur, edges, invert } = document.forms[0].elements;
            blur.value = 1;
            blur.dispatchEvent(new Event("input", { bubbles: true }));
            edges.click();
            invert.click();
        })()`);
        await page.until("/^image-filter blur:1 edges invert .+ms/.test(command.textContent)");
        await page.screenshot(FOLDER + "/browser.png");
        return {
            refused,
            same: await page.value(`(async () => {
                const pixels = ${pixels};
                const native = await createImageBitmap(await (await fetch("native.png")).blob());
                return await pixels(after) === await pixels(native);
            })()`),
            changed: await page.value(`(async (pixels) => await pixels(after) !== await pixels(before))(${pixels})`),
            errors: await page.value("document.querySelector('[role=status]').textContent"),
        };
    "#;
    let text = |path: &Path| serde_json::to_string(path).unwrap();
    let script = script.replace("NO_PICTURE", &text(&folder.path("no picture.png")));
    let script = script.replace("SAMPLE", &text(&sample)).replace("FOLDER", &text(&screenshots));
    let seen = Browser::run(server.address(), &script);
    let expected = serde_json::json!({
        "refused": "no picture.png is no picture that this browser can show.",
        "same": true,
        "changed": true,
        "errors": "",
    });
    assert_eq!(seen, expected);
}

#[test]
fn workers_answer_requests_by_the_program() {
    let folder = Folder::new("worker", "worker");
    folder.npm_ci();
    let command = |program: &Path, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(folder.0.path());
        command.env("PORT", "0").env("DENO_DIR", folder.path("deno")).env("NO_COLOR", "1");
        command
    };
    let bin = |name: &str| folder.path("node_modules/.bin").join(name);
    // workerd says nothing of where it listens, but for this.
    let workerd = ["serve", "workerd.capnp", "--socket-addr", "http=127.0.0.1:0", "--control-fd=1"];
    for (mut command, before) in [
        (command(&tools::program("node"), &["node.mjs"]), "http://"),
        (
            command(
                &bin("deno"),
                &["serve", "--allow-read", "--host", "127.0.0.1", "--port", "0", "server.mjs"],
            ),
            "http://",
        ),
        (command(&bin("workerd"), &workerd), "\"port\":"),
    ] {
        let server = Server::start(&mut command, before);
        let request = |args: &[&str]| {
            let mut curl = Command::new(tools::program("curl"));
            curl.args([
                "--silent",
                "--show-error",
                "--write-out",
                "\n%{http_code} %{content_type}",
            ])
            .args(args);
            Run::of(curl.arg(server.address())).success().stdout
        };
        let answer = "{\"lines\":2,\"words\":4,\"characters\":15,\"most_frequent\":\"one\"}\n200 application/json";
        // Nothing is left of one request for the next.
        for _ in 0..3 {
            assert_eq!(
                request(&["--data", "{\"text\": \"one two\\nänd One\"}"]),
                answer,
                "{command:?}"
            );
        }
        let answer = "{\"error\":\"unknown field `txt`, expected `text` at line 1 column 7\"}\n400 application/json";
        assert_eq!(request(&["--data", "{\"txt\": 1}"]), answer, "{command:?}");
        let answer = request(&[]);
        assert!(answer.ends_with("\n405 application/json"), "{command:?}: {answer}");
    }
}

/// Returns the native result of the image filter for its sample, as PNG.
fn natively(filters: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut native = cargo();
    native
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(example("image-filter"));
    native.arg("--target-dir").arg(lasting("image-filter")).args(["--", "-i"]);
    native.arg(example("image-filter").with_file_name("sample.png")).args(filters).arg("-o");
    let _ran = Run::of(native.arg(folder.path().join("native.png"))).success();
    fs::read(folder.path().join("native.png")).unwrap()
}

/// Somebody else's server, which says on one of its streams where it listens; gone with the test, and all that it
/// started.
struct Server {
    child: Child,
    /// Kept, because it may write more.
    _output: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    /// Starts it, and waits for a line in which the address, or its port, stands after `before`.
    #[track_caller]
    fn start(command: &mut Command, before: &str) -> Server {
        // deno says it on standard error.
        let shell = ["exec 2>&1; exec \"$0\" \"$@\"".as_ref(), command.get_program()];
        let mut merged = Command::new("sh");
        merged
            .arg("-c")
            .args(shell)
            .args(command.get_args())
            .current_dir(command.get_current_dir().unwrap());
        merged
            .envs(command.get_envs().map(|(name, value)| (name, value.unwrap_or(OsStr::new("")))));
        let mut child =
            merged.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while output.read_line(&mut said).unwrap() > 0 {
            let Some((_, rest)) = said.split_once(before) else { continue };
            let end = rest.find(|next: char| !(next.is_ascii_digit() || ".:".contains(next)));
            let address = &rest[..end.unwrap_or(rest.len())];
            let host = if address.contains(':') { "" } else { "127.0.0.1:" };
            return Server { child, _output: output, address: format!("http://{host}{address}") };
        }
        child.wait().unwrap();
        panic!("{command:?} ended before it listened:\n{said}");
    }

    fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The whole group: some are started by a program of their own.
        let group = format!("-{}", self.child.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().ok();
        self.child.wait().ok();
    }
}
