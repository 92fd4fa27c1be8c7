// A page in a browser, by WebDriver (https://www.w3.org/TR/webdriver2/): what is needed of it.
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [, driverPath, binary, profile, place, script] = process.argv;
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update", "--window-size=1200,800",
  `--user-data-dir=${profile}`];

const driver = spawn(driverPath, ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
const port = await new Promise((found) => {
  createInterface(driver.stdout).on("line", (line) => {
    const started = /started successfully on port (\d+)/.exec(line);
    if (started) found(started[1]);
  });
});

async function ask(method, path, body) {
  const answer = await fetch(`http://127.0.0.1:${port}/session${path}`, { method, body: JSON.stringify(body) });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
  return value;
}

const { sessionId } = await ask("POST", "", {
  capabilities: { alwaysMatch: { browserName: "chrome", "goog:chromeOptions": { binary, args } } },
});
const session = (path, body) => ask("POST", `/${sessionId}${path}`, body);
const page = {
  // The value of an expression in the page.
  value: (expression) => session("/execute/sync", { script: `return ${expression}`, args: [] }),
  // Waits until an expression is true.
  async until(expression) {
    const end = Date.now() + 20_000;
    while (!await page.value(expression)) {
      if (Date.now() > end) throw new Error(`it never came true that ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  // A click with the mouse near the upper left corner of what an expression names.
  async click(element) {
    const { x, y } = await page.value(`(({ x, y }) => ({ x, y }))((${element}).getBoundingClientRect())`);
    const move = { type: "pointerMove", x: Math.round(x) + 5, y: Math.round(y) + 6 };
    const actions = [move, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 }];
    await session("/actions", { actions: [{ type: "pointer", id: "mouse", actions }] });
  },
  // Chooses a file of this machine in the input that a selector finds, as its dialogue does.
  async choose(selector, path) {
    const found = await session("/element", { using: "css selector", value: selector });
    await session(`/element/${Object.values(found)[0]}/value`, { text: path });
  },
  // Writes a picture of what is seen, PNG.
  async screenshot(path) {
    await writeFile(path, Buffer.from(await ask("GET", `/${sessionId}/screenshot`), "base64"));
  },
  // Keys of the keyboard, one after the other.
  async keys(...keys) {
    const actions = keys.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]);
    await session("/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  },
};
try {
  await session("/url", { url: place.startsWith("http://") ? place : pathToFileURL(place).href });
  const run = Object.getPrototypeOf(async () => {}).constructor("page", script);
  process.stdout.write(JSON.stringify(await run(page)));
} finally {
  await ask("DELETE", `/${sessionId}`);
  driver.kill();
}
