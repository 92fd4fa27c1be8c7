// Node's HTTP server has no `fetch` handlers yet. This converts its requests for one, and returns the answer.
// `PORT=0 node node.mjs` uses any free port.
import { createServer } from "node:http";
import { Readable } from "node:stream";
import worker from "./server.mjs";

const server = createServer(async (incoming, outgoing) => {
  const { method, headers, url } = incoming;
  const body = method === "GET" || method === "HEAD" ? undefined : Readable.toWeb(incoming);
  const request = new Request(new URL(url, `http://${headers.host}`), { method, headers, body, duplex: "half" });
  const response = await worker.fetch(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
});
server.listen(process.env.PORT ?? 8080, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
