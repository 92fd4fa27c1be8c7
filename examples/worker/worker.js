// For Cloudflare Workers, where an imported module is already compiled.
import { handler } from "./handler.js";
import module from "./worker.wasm";

export default handler(module);
