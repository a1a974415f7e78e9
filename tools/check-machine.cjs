/**
 * Says in one sentence why this machine cannot run the project. CommonJS without anything new in it: the Node that is
 * too old must be able to read it.
 */
const fs = require("node:fs");
const path = require("node:path");

const OWN_NODE = path.join(__dirname, "../node_modules/node/bin/node");

/**
 * Why the project cannot run; undefined: it can.
 * @param {{ platform: string, node: string, hasOwnNode: boolean, shell: string | undefined }} machine
 */
function unfit(machine) {
  const { engines } = require("../package.json");
  const least = Number(/\d+/.exec(engines.node)[0]);
  if (machine.platform === "win32" && !/bash|zsh|\bsh\b/.test(machine.shell || ""))
    return "On Windows, run Switchyard under WSL: its scripts and processes need a POSIX system (there is no `exec` in cmd.exe).";
  if (Number.parseInt(machine.node, 10) >= least) return undefined;
  if (!machine.hasOwnNode)
    return `Node ${machine.node} is too old: Switchyard needs ${least}. It brings its own, which was not installed: run \`npm rebuild node\` (\`npm ci --ignore-scripts\` leaves it out).`;
  return `Node ${machine.node} is too old: Switchyard needs ${least}. Its own lies in node_modules: start it by npm (\`npm start\`), which finds it.`;
}

module.exports = { unfit };

if (require.main === module) {
  const why = unfit({
    platform: process.platform,
    node: process.versions.node,
    hasOwnNode: fs.existsSync(OWN_NODE),
    shell: process.env.npm_config_script_shell,
  });
  if (why !== undefined) {
    console.error(why);
    process.exit(1);
  }
}
