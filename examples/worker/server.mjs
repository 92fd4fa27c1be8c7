// For Deno, Bun and Node, which read the module from its file: `deno serve --allow-read server.mjs`, `bun server.mjs`,
// `node node.mjs`.
import { readFile } from "node:fs/promises";
import { handler } from "./handler.js";

const file = new URL("worker.wasm", import.meta.url);

export default handler(await WebAssembly.compile(await readFile(file)));
