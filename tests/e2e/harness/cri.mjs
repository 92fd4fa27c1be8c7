// A client of Kubernetes' container runtime interface, as small as one can be: runs one container in a pod of its
// own, as a kubelet would, writes what the container wrote, and exits with its exit code, or 125 if it never ran.
//
// usage: node cri.mjs SOCKET PAUSE_IMAGE '{"image", "handler", "command", "args", "env", "restricted"}' LOG_DIRECTORY
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

// Messages are objects whose keys are the field numbers of runtime.v1's api.proto.
function encode(message) {
  const parts = [];
  for (const [field, value] of Object.entries(message)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (typeof one === "number") {
        parts.push(varint(field << 3), varint(one));
      } else {
        const bytes = typeof one === "string" ? Buffer.from(one) : encode(one);
        parts.push(varint((field << 3) | 2), varint(bytes.length), bytes);
      }
    }
  }
  return Buffer.concat(parts);
}

function varint(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}

// The last value of each field: a number, or bytes that are a string or another message.
function decode(bytes) {
  const message = {};
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const key = number();
    if ((key & 7) === 0) {
      message[key >>> 3] = number();
    } else {
      const length = number();
      message[key >>> 3] = bytes.subarray(at, (at += length));
    }
  }
  return message;
}

function call(method, message) {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/runtime.v1.${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks = [];
    let status = {};
    stream.on("response", (headers) => (status = headers));
    stream.on("trailers", (trailers) => (status = { ...status, ...trailers }));
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      // A byte that says "not compressed" and four of length come before the message.
      if (status["grpc-status"] === "0") return resolve(decode(Buffer.concat(chunks).subarray(5)));
      reject(new Error(`${method}: ${decodeURIComponent(status["grpc-message"] ?? "no status")}`));
    });
    const body = encode(message);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([head, body]));
  });
}

async function until(answer) {
  for (const start = Date.now(); Date.now() - start < 60_000; await sleep(20)) {
    const value = await answer();
    if (value !== undefined) return value;
  }
  throw new Error(`waited in vain for ${answer}`);
}

// Lines like "2025-01-01T00:00:00Z stdout F the text", or with P where the line goes on.
function replay(log) {
  for (const line of log.split("\n").filter(Boolean)) {
    const [, stream, tag, text] = line.match(/^\S+ (\S+) (\S+) (.*)$/);
    process[stream].write(tag === "P" ? text : `${text}\n`);
  }
}

// runAsUser and runAsGroup, drop, readOnlyRootFilesystem, allowPrivilegeEscalation: false, seccompProfile RuntimeDefault,
// and a memory limit of 128 MiB.
const restricted = {
  1: { 4: 128 << 20 },
  2: { 1: { 2: ["ALL"] }, 5: { 1: 65532 }, 7: 1, 11: 1, 12: { 1: 65532 }, 15: { 1: 0 } },
};

async function runContainer(pod, podConfig) {
  await call("ImageService/PullImage", { 1: { 1: request.image }, 3: podConfig });
  const env = request.env.map(([name, value]) => ({ 1: name, 2: value }));
  const config = { 1: { 1: "app" }, 2: { 1: request.image }, 3: request.command, 4: request.args, 6: env, 11: "app.log" };
  if (request.restricted) config[15] = restricted;
  const { 1: id } = await call("RuntimeService/CreateContainer", { 1: pod, 2: config, 3: podConfig });
  const container = id.toString();
  await call("RuntimeService/StartContainer", { 1: container });
  const code = await until(async () => {
    const { 1: status } = await call("RuntimeService/ContainerStatus", { 1: container });
    const { 3: state, 7: exitCode = 0 } = decode(status);
    const exited = 2;
    return state === exited ? exitCode : undefined;
  });
  replay(readFileSync(`${logs}/app.log`, "utf8"));
  return code;
}

async function runPod() {
  // containerd's own index of images follows an import with a short delay.
  await until(async () => (await call("ImageService/ImageStatus", { 1: { 1: pause } }))[1]);
  const uid = logs.replaceAll("/", "-");
  const networkOfTheNode = { 2: { 1: { 1: 2 } } };
  const config = { 1: { 1: `pod${uid}`, 2: uid, 3: "default" }, 3: logs, 8: networkOfTheNode };
  const { 1: id } = await call("RuntimeService/RunPodSandbox", { 1: config, 2: request.handler });
  const pod = id.toString();
  try {
    return await runContainer(pod, config);
  } finally {
    await call("RuntimeService/StopPodSandbox", { 1: pod });
    await call("RuntimeService/RemovePodSandbox", { 1: pod });
  }
}

const [socket, pause, json, logs] = process.argv.slice(2);
const request = JSON.parse(json);
const session = http2.connect("http://localhost", { createConnection: () => net.connect(socket) });
try {
  process.exitCode = await runPod();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 125;
}
session.close();
