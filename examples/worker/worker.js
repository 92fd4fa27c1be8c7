// For Cloudflare Workers: there, a module is imported compiled.
import { handler } from "./handler.js";
import module from "./worker.wasm";

export default handler(module);
