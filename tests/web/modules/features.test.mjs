/**
 * The page uses nothing younger than Chromium 109 and Safari 16: so old are browsers in cars, on wall panels and old tablets.
 *
 * ESLint looks for it, in three parts: methods and syntax of JavaScript by their year (es-x), the browser's own interfaces by the
 * `browserslist` in package.json (compat), style sheets by what all browsers had at the end of 2022 (css).
 */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import css from "@eslint/css";
import { ESLint } from "eslint";
import compat from "eslint-plugin-compat";
import es from "eslint-plugin-es-x";

const WEB = new URL("../../../teslafast/web/", import.meta.url);
const FILES = readdirSync(WEB, { recursive: true }).filter((name) => /\.(?:js|css)$/.test(name)).sort();

// Iterators have them since ES2025, arrays have had them for ever, and the linter cannot tell which it sees.
const ON_ARRAYS_TOO = ["every", "filter", "find", "flatmap", "foreach", "map", "reduce", "some"].map((name) => [`es-x/no-iterator-prototype-${name}`, "off"]);
const OLD_ENOUGH = {
  "es-x/no-array-prototype-findlast-findlastindex": "off", // Chrome 97, Safari 15.4
  "es-x/no-iterator-prototype-take": "off", // our own `take`
  "es-x/no-class-static-block": "error", // Safari 16.4
};

// A browser that does not know them shows the same in another finish: scroll bars, rims and the colour of a tick.
const FINISH = { allowProperties: ["accent-color", "backdrop-filter", "outline", "scrollbar-color", "scrollbar-gutter", "scrollbar-width"], allowPropertyValues: { "font-family": ["ui-monospace"] } };

const scripts = { files: ["**/*.js"] };
const eslint = new ESLint({
  cwd: new URL("..", import.meta.url).pathname,
  overrideConfigFile: true,
  overrideConfig: [
    { ...scripts, ...compat.configs["flat/recommended"] },
    { ...scripts, ...es.configs["flat/restrict-to-es2022"] },
    { ...scripts, settings: { "es-x": { aggressive: true } }, rules: { ...Object.fromEntries(ON_ARRAYS_TOO), ...OLD_ENOUGH } },
    { files: ["**/*.css"], language: "css/css", plugins: { css }, rules: { "css/use-baseline": ["error", { available: 2022, ...FINISH }] } },
  ],
});

/** What is too young in a text. The linter does not look into custom properties, nor at a range in a media query. */
async function tooYoung(text, name) {
  const seen = name.endsWith(".css") ? text.replace(/--[\w-]+:(?=[^;]*\()/g, "background:") : text;
  const [{ messages }] = await eslint.lintText(seen, { filePath: `page/${name}` });
  const ranges = name.endsWith(".css") ? (text.match(/@media[^{]*[<>][^{]*/g) ?? []) : [];
  return [...messages.map(({ line, message }) => `${name}:${line} ${message}`), ...ranges];
}

describe("features of browsers", () => {
  for (const name of FILES) {
    test(`${name} uses none that is too young`, async () => {
      assert.deepEqual(await tooYoung(readFileSync(new URL(name, WEB), "utf8"), name), []);
    });
  }

  const young = {
    js: ["[1].toReversed()", "[1].toSorted()", "[1].with(0, 1)", "Object.groupBy([], String)", "Promise.withResolvers()", "/(?<=a)b/.test('')", "class A { static {} }", "new Set().union(new Set())", "'a'.isWellFormed()", "scheduler.yield()"],
    css: ["p { color: light-dark(#fff, #000) }", ":root { --a: light-dark(#fff, #000) }", "p { color: color-mix(in srgb, red, blue) }", "p:has(b) { color: red }", "p { & b { color: red } }", "p { text-wrap: balance }", "@container (min-width: 1px) { p { color: red } }", "@media (width > 1px) { p { color: red } }"],
  };
  for (const [kind, texts] of Object.entries(young)) {
    for (const text of texts) {
      test(`${text} is found`, async () => assert.notDeepEqual(await tooYoung(text, `sample.${kind}`), []));
    }
  }
});
