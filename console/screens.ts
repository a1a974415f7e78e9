import type { Screen } from "./screen.ts";
import { AuditScreen } from "./screens/audit.tsx";
import { BatchesScreen, BatchScreen } from "./screens/batches.tsx";
import { CompareScreen, ComparisonScreen } from "./screens/compare.tsx";
import { ControlsScreen } from "./screens/controls.tsx";
import { DeadLettersScreen } from "./screens/dead-letters.tsx";
import { JobScreen } from "./screens/job.tsx";
import { JobsScreen } from "./screens/jobs.tsx";
import { LabEntryScreen } from "./screens/lab-entry.tsx";
import { LabsScreen } from "./screens/labs.tsx";
import { SubmitScreen } from "./screens/submit.tsx";
import { TenantScreen, TenantsScreen } from "./screens/tenants.tsx";
import { UsageScreen } from "./screens/usage.tsx";
import { WaitingScreen } from "./screens/waiting.tsx";
import type { Session } from "./session.ts";

/** Every screen, in the order of the navigation. The first that a visitor may see is where they begin. */
export const SCREENS: readonly Screen[] = [
  { path: "submit", title: "Submit", who: "tenant", isListed: true, Content: SubmitScreen },
  { path: "jobs", title: "Jobs", who: "both", isListed: true, Content: JobsScreen },
  { path: "jobs/:id", title: "Job", who: "both", isListed: false, Content: JobScreen },
  { path: "compare", title: "Compare", who: "tenant", isListed: true, Content: CompareScreen },
  { path: "compare/:id", title: "Comparison", who: "tenant", isListed: false, Content: ComparisonScreen },
  { path: "batches", title: "Batches", who: "tenant", isListed: true, Content: BatchesScreen },
  { path: "batches/:id", title: "Batch", who: "tenant", isListed: false, Content: BatchScreen },
  { path: "usage", title: "Usage and cost", who: "both", isListed: true, Content: UsageScreen },
  { path: "waiting", title: "Line of waiting", who: "both", isListed: true, Content: WaitingScreen },
  { path: "labs", title: "Labs", who: "operator", isListed: true, Content: LabsScreen },
  { path: "labs/:name", title: "Deployment", who: "operator", isListed: false, Content: LabEntryScreen },
  {
    path: "controls",
    title: "Switches, limits, weights",
    who: "operator",
    isListed: true,
    Content: ControlsScreen,
  },
  {
    path: "dead-letters",
    title: "Dead letters",
    who: "operator",
    isListed: true,
    Content: DeadLettersScreen,
  },
  { path: "tenants", title: "Tenants and keys", who: "operator", isListed: true, Content: TenantsScreen },
  { path: "tenants/:id", title: "Tenant", who: "operator", isListed: false, Content: TenantScreen },
  { path: "audit", title: "Audit and seals", who: "operator", isListed: true, Content: AuditScreen },
];

export function screensFor({ kind }: Pick<Session, "kind">): readonly Screen[] {
  return SCREENS.filter(({ who }) => who === "both" || who === kind);
}
