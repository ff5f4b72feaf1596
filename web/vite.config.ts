// Builds the page into the Python package that serves it. Names of files stay the same, so that a build can be compared
// with the one before; the service gives them tags of their content.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const here = resolve(import.meta.dirname);
const out = resolve(here, "../api/citybrain_api/page");
const APART = ["node_modules", ".gitignore"];

/** All files that the page is made from, sorted by name. */
function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !APART.includes(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? sources(join(folder, entry.name)) : [join(folder, entry.name)]))
    .sort();
}

/** Keeps the hash of every source beside the build (a test compares), and the texts of licences. */
function belongings(): Plugin {
  return {
    name: "belongings",
    closeBundle() {
      const hashes = Object.fromEntries(
        sources(here).map((path) => [
          relative(here, path).replaceAll("\\", "/"),
          createHash("sha256").update(readFileSync(path)).digest("hex"),
        ]),
      );
      mkdirSync(out, { recursive: true });
      writeFileSync(join(out, "sources.json"), JSON.stringify(hashes, null, 1) + "\n");
      const licence = readFileSync(join(here, "node_modules/uplot/LICENSE"), "utf8");
      writeFileSync(join(out, "licenses.txt"), `uPlot, https://github.com/leeoniya/uPlot\n\n${licence}`);
    },
  };
}

export default defineConfig({
  base: "/page/",
  build: {
    outDir: out,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    rollupOptions: {
      output: { entryFileNames: "page.js", assetFileNames: "page[extname]", inlineDynamicImports: true },
    },
  },
  plugins: [belongings()],
});
