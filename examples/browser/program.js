// A worker that runs the program, so that the page stays responsive. Each picture starts the program again, as on a
// command line: the picture is its standard input, and its standard output is the result.
import { File, OpenFile, WASI } from "./node_modules/@bjorn3/browser_wasi_shim/dist/index.js";

let module;

/** Compiles the program during its first download; after that, it only starts it. */
async function instantiate(imports) {
  if (module) return WebAssembly.instantiate(module, imports);
  const first = await WebAssembly.instantiateStreaming(fetch("image-filter.wasm"), imports);
  module = first.module;
  return first.instance;
}

async function run(args, input) {
  const [stdin, stdout, stderr] = [input, [], []].map((bytes) => new File(new Uint8Array(bytes)));
  const streams = [stdin, stdout, stderr].map((file) => new OpenFile(file));
  const wasi = new WASI(["image-filter", ...args], [], streams);
  const code = wasi.start(await instantiate({ wasi_snapshot_preview1: wasi.wasiImport }));
  return { code, output: stdout.data, errors: new TextDecoder().decode(stderr.data) };
}

addEventListener("message", async ({ data: { args, input } }) => {
  const start = performance.now();
  const result = await run(args, input).catch((error) => ({ code: 1, errors: String(error) }));
  postMessage({ ...result, time: performance.now() - start });
});
