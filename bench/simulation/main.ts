import { head } from "../measure.ts";
import { runShape, SHAPES } from "./shapes.ts";

/**
 * `npm run bench -- simulation [part of a shape's name] [seed]`: the scheduler's own code under a virtual clock, with
 * delays of the machinery drawn from a seed; 2,000 jobs, three deployments, two instances.
 */
const [wanted = "", seed = "1"] = process.argv.slice(2);
head(
  "limits",
  "jobs done",
  "seconds",
  "ratio to the ideal",
  "refused a job",
  "failed calls",
  "writes a job",
  "nudges a job",
);
for (const shape of SHAPES) if (shape.name.startsWith(wanted)) console.log(runShape(shape, seed));
