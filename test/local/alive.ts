import { existsSync, readFileSync } from "node:fs";

/** Whether a process runs. One that has ended but that nobody has waited for yet (a zombie) does not. */
export function alive(pid: number): boolean {
  try {
    if (pid === 0 || !process.kill(pid, 0)) return false;
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"));
  } catch {
    return false;
  }
}
