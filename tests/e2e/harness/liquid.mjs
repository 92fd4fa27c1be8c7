// Renders texts with Liquid, as cargo-generate does: node liquid.mjs MODULE, with {context, texts} on standard input.
import { readFileSync } from "node:fs";

const { Liquid } = await import(process.argv[2]);
const { context, texts } = JSON.parse(readFileSync(0, "utf8"));
const liquid = new Liquid({ strictVariables: true, strictFilters: true });
// cargo-generate's own, for names that are no worse than ours.
liquid.registerFilter("kebab_case", (name) => name.replaceAll("_", "-"));
const rendered = texts.map((text) => liquid.parseAndRenderSync(text, context));
process.stdout.write(JSON.stringify(rendered));
