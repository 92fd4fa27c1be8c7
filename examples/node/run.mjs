// Runs a WASI program, and exits with its exit code:
//   node run.mjs [--env NAME[=VALUE]]... [--dir HOST::GUEST]... MODULE [-- ARGUMENT...]
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { WASI } from "node:wasi";

const list = { type: "string", multiple: true, default: [] };
const { values, positionals } = parseArgs({ options: { env: list, dir: list }, allowPositionals: true });
const [file, ...args] = positionals;
if (!file) {
  console.error("usage: node run.mjs [--env NAME[=VALUE]]... [--dir HOST::GUEST]... MODULE [-- ARGUMENT...]");
  process.exit(2);
}

// The program sees only the variables and folders that are named here.
const variable = (text) => {
  const [name, ...value] = text.split("=");
  return [name, value.length ? value.join("=") : process.env[name] ?? ""];
};
const folder = (text) => {
  const [host, guest = host] = text.split("::");
  return [guest, host];
};
const wasi = new WASI({
  version: "preview1",
  args: [file, ...args],
  env: Object.fromEntries(values.env.map(variable)),
  preopens: Object.fromEntries(values.dir.map(folder)),
  returnOnExit: true,
});

const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
