// The page: it draws a picture into one canvas, and the program's result into the other.
const form = document.querySelector("form");
const { picture, filters, blur, radius, edges, grayscale, invert } = form.elements;
const [before, after, size, command, status] =
  ["before", "after", "size", "command", "status"].map((id) => document.getElementById(id));
const program = new Worker("program.js", { type: "module" });

picture.addEventListener("change", async () => {
  const [file] = picture.files;
  if (!file) return;
  try {
    draw(await createImageBitmap(file), before);
  } catch {
    status.textContent = `${file.name} is no picture that this browser can show.`;
    return;
  }
  size.textContent = `${file.name}, ${before.width} × ${before.height}`;
  filters.disabled = false;
  await apply();
});
filters.addEventListener("input", apply);

// One picture at a time: changes in the meantime apply to the next one.
let running = false;
let changed = false;
async function apply() {
  changed = true;
  if (running) return;
  running = true;
  while (changed) {
    changed = false;
    await show(chosen());
  }
  running = false;
}

/** The filters as the program's arguments. */
function chosen() {
  radius.value = blur.value === "0" ? "off" : blur.value;
  const checked = [edges, grayscale, invert].filter((box) => box.checked).map((box) => box.name);
  return blur.value === "0" ? checked : [`blur:${blur.value}`, ...checked];
}

async function show(args) {
  status.textContent = "";
  command.textContent = ["image-filter", ...args].join(" ");
  if (args.length === 0) return draw(before, after);
  // As PNG, so that every picture that the browser can show works.
  const input = await new Promise((resolve) => before.toBlob(resolve, "image/png"));
  const { code, output, errors, time } = await run(args, await input.arrayBuffer());
  status.textContent = errors;
  if (code !== 0) return;
  draw(await createImageBitmap(new Blob([output], { type: "image/png" })), after);
  command.textContent += ` (${Math.round(time)} ms)`;
}

function run(args, input) {
  return new Promise((resolve) => {
    program.onmessage = ({ data }) => resolve(data);
    program.postMessage({ args, input });
  });
}

function draw(image, canvas) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
}
