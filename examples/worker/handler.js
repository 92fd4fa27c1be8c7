// Answers requests with a program: the body is its standard input, and its standard output is the answer. Each request
// gets a new instance, so nothing stays in memory.
import { File, OpenFile, WASI } from "@bjorn3/browser_wasi_shim";

/** Returns the export of a worker, for a compiled program. */
export const handler = (module) => ({
  async fetch(request) {
    if (request.method !== "POST") {
      return Response.json({ error: "send JSON by POST" }, { status: 405, headers: { allow: "POST" } });
    }
    const { code, output, errors } = run(module, new Uint8Array(await request.arrayBuffer()));
    if (code !== 0) return Response.json({ error: errors.trim() }, { status: 400 });
    return new Response(output, { headers: { "content-type": "application/json" } });
  },
});

function run(module, input) {
  const [stdin, stdout, stderr] = [input, [], []].map((bytes) => new File(bytes));
  const wasi = new WASI(["worker"], [], [stdin, stdout, stderr].map((file) => new OpenFile(file)));
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport });
  const code = wasi.start(instance);
  return { code, output: stdout.data, errors: new TextDecoder().decode(stderr.data) };
}
