# For workerd, the runtime of Cloudflare Workers, without their tools: `npx workerd serve workerd.capnp`. It
# doesn't resolve packages by name, so this file lists their files; wrangler and other bundlers resolve them.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "worker", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:8080", http = (), service = "worker")],
);

const worker :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "handler.js", esModule = embed "handler.js"),
    (name = "worker.wasm", wasm = embed "worker.wasm"),
    (name = "@bjorn3/browser_wasi_shim", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/index.js"),
    (name = "@bjorn3/debug.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/debug.js"),
    (name = "@bjorn3/fd.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/fd.js"),
    (name = "@bjorn3/fs_mem.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/fs_mem.js"),
    (name = "@bjorn3/fs_opfs.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/fs_opfs.js"),
    (name = "@bjorn3/strace.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/strace.js"),
    (name = "@bjorn3/wasi.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/wasi.js"),
    (name = "@bjorn3/wasi_defs.js", esModule = embed "node_modules/@bjorn3/browser_wasi_shim/dist/wasi_defs.js"),
  ],
);
