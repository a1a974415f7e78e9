import { useEffect, useState } from "preact/hooks";
import { type Link, numberOf, type Verdict, verifyLinks } from "../rows/trail.ts";
import { canHash, sha256Hex } from "../sha256.ts";

const NONE = { seq: 0, prev_hash: "", hash: "" };

interface ChainVerdictProps {
  readonly records: readonly Link[];
  /** Whether older records were not read. */
  readonly isPart?: boolean;
}

/** Says whether a chain of records holds, as this browser found by itself. */
export function ChainVerdict({ records, isPart = false }: ChainVerdictProps) {
  const [found, setFound] = useState<{ of: readonly Link[]; verdict: Verdict } | undefined>(undefined);
  useEffect(() => {
    if (!canHash()) return;
    let isWanted = true;
    verifyLinks(records, sha256Hex, !isPart).then((verdict) => {
      if (isWanted) setFound({ of: records, verdict });
    });
    return () => {
      isWanted = false;
    };
  }, [records, isPart]);
  if (!canHash())
    return <p class="quiet">The chain can be checked only over https: this browser has no hashes here.</p>;
  if (found?.of !== records) return <p class="quiet">Checking the chain …</p>;
  const { verdict } = found;
  return verdict.isIntact ? (
    <p class="holds" role="status">
      ✓ The chain holds: {verdict.records} records, each with the hash of its fields and of the one before.
      {isPart && ` Those before number ${numberOf(records[0] ?? NONE)} were not read.`}
    </p>
  ) : (
    <p class="problem" role="alert">
      <strong>
        The chain is broken at record {verdict.seq}: {verdict.why}.
      </strong>
    </p>
  );
}
