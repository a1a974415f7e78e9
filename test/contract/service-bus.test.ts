import { serviceBusContract } from "./service-bus-contract.ts";
import { azureQueues, openLocalQueue } from "./service-bus-targets.ts";
import { azureConnection } from "./targets.ts";

serviceBusContract("local", openLocalQueue);

const azure = azureConnection("Service Bus");
if (azure !== undefined) serviceBusContract("on Azure", azureQueues(azure));
