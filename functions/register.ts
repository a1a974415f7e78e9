import type { Service } from "../shared/service.ts";
import { registerCancelJob } from "./cancel-job.ts";
import { registerDeadLetter } from "./dead-letter.ts";
import { registerDeleteJob } from "./delete-job.ts";
import { registerGetJob } from "./get-job.ts";
import { registerGetUsage } from "./get-usage.ts";
import { type Dependency, registerHealth } from "./health.ts";
import type { Entrance } from "./http.ts";
import { registerListAudit } from "./list-audit.ts";
import { registerListControlAudit } from "./list-control-audit.ts";
import { registerListDeadLetters } from "./list-dead-letters.ts";
import { registerListJobs } from "./list-jobs.ts";
import { registerListModels } from "./list-models.ts";
import { registerOpenapi } from "./openapi.ts";
import { registerOpsOverrides } from "./ops-overrides.ts";
import { registerOpsStatus } from "./ops-status.ts";
import { registerRedriveDeadLetter } from "./redrive-dead-letter.ts";
import { registerRunJob } from "./run-job.ts";
import { registerSeal } from "./seal.ts";
import { registerSubmitJob } from "./submit-job.ts";
import { registerSweep } from "./sweep.ts";

/** Registers every function of the app with the host. */
export function registerFunctions(
  service: Service,
  edge: { readonly entrance: Entrance; readonly dependencies: readonly Dependency[] },
): void {
  const { store, nudges, running, clock, catalogue, tenants, budgets, trail, deadLetters } = service;
  const { entrance } = edge;
  const { authenticator } = entrance;
  registerSubmitJob({ ...service.submit, entrance, catalogue, settings: service.settings });
  registerGetJob({ entrance, store, running, clock });
  registerListJobs({ entrance, store });
  registerCancelJob({ entrance, store, running, clock });
  registerDeleteJob({ entrance, store, running, clock });
  registerListAudit({ entrance, store });
  registerListModels({ entrance, catalogue });
  registerOpenapi();
  registerHealth({ monotonic: clock.monotonic, dependencies: edge.dependencies });
  registerRunJob({ ...service.run, invocation: service.invocation, dispatcher: service.dispatcher });
  registerSweep({
    sweepSeconds: service.settings.sweepSeconds,
    parts: service.sweep,
    invocation: service.invocation,
  });
  registerOpsStatus({
    ...{ authenticator, deadLetters, clock },
    liveJobs: service.liveJobs,
    rounds: service.sweepRounds,
  });
  registerGetUsage({ entrance, calls: service.billedCalls, budgets, clock });
  registerOpsOverrides({
    ...{ authenticator, catalogue, tenants, trail, clock },
    store: service.overrides,
    watch: service.overridesWatch,
    newChangeId: service.newId,
  });
  registerListControlAudit({ authenticator, trail });
  registerListDeadLetters({ authenticator, deadLetters, store });
  registerRedriveDeadLetter({ ...service.redrive, authenticator });
  registerDeadLetter({ store, nudges, deadLetters, clock, dispatcher: service.dispatcher });
  registerSeal({ seal: service.seal });
}
