import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");
const VERSION = "0.49.2";
const PACKAGE = "azure.bicep.commandline.linux-x64";
const folder = path.join(root, "node_modules/.cache/bicep");
const fetched = path.join(folder, "packages", PACKAGE, VERSION, "tools/bicep");

/** The Bicep compiler that `npm run bicep` has fetched, or what BICEP names; undefined: there is none. */
export function bicepProgram(): string | undefined {
  return [process.env.BICEP, fetched].find((file) => file !== undefined && existsSync(file));
}

/** Fetches the pinned compiler as a NuGet package. The product needs it nowhere: only checks of the template do. */
export function fetchBicep(): string {
  if (existsSync(fetched)) return fetched;
  mkdirSync(folder, { recursive: true });
  const project = path.join(folder, "fetch.csproj");
  writeFileSync(
    project,
    `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageDownload Include="Azure.Bicep.CommandLine.linux-x64" Version="[${VERSION}]" /></ItemGroup>
</Project>
`,
  );
  execFileSync("dotnet", ["restore", project, "--packages", path.join(folder, "packages")], {
    stdio: "inherit",
  });
  return fetched;
}
