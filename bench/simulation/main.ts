import { runShape, SHAPES } from "./shapes.ts";

const only = process.argv[2];
for (const shape of SHAPES) {
  if (only !== undefined && !shape.name.includes(only)) continue;
  console.log(runShape(shape, process.argv[3] ?? "1"));
}
