import { fetchBicep } from "./compiler.ts";

/** `npm run bicep`: fetches the Bicep compiler that the tests of infra/ need. Wants `dotnet`. */
console.log(fetchBicep());
