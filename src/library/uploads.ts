/** Putting files on hosts over ssh (`deployment.uploads`): with a deployment, or by themselves. */

import { dirname } from "node:path";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { renderCount } from "../base/quantities.ts";
import type { DeployOptions } from "../fleet/deploy.ts";
import { nixDirectory, nixString } from "../fleet/inventory.ts";
import { HostUploads, requireUploads, type Upload, UPLOADED } from "../fleet/uploads.ts";
import { evaluateAnew } from "../realise/evaluate.ts";
import { type Sessions, withSessions } from "./connect.ts";
import { openContext } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import { CONCURRENCY_DEFAULT, type HostsRequest } from "./request.ts";

/** What uploads to the hosts of these sessions. */
export function uploadsTo(
  { fleetFile, signal }: Deployer,
  sessions: Sessions,
): NonNullable<DeployOptions["uploadsTo"]> {
  return ({ name, base, uploads = [] }, onNote) =>
    new HostUploads({
      host: name,
      uploads,
      ...(base === "foreign" ? { ledger: UPLOADED } : {}),
      directory: dirname(fleetFile),
      textOf: async (upload) => await textOf(fleetFile, name, upload, signal),
      connection: sessions.get(name)!.connection,
      onNote,
      signal,
    });
}

/** A declared text. It is in nothing that is kept: no plan, no journal, no cache of evaluations. */
async function textOf(fleetFile: string, host: string, upload: Upload, signal: AbortSignal): Promise<string> {
  const fleet = `(import (/. + ${nixString(nixDirectory())}) { }).evalFleet (/. + ${nixString(fleetFile)})`;
  const expression = `(${fleet}).hosts.${nixString(host)}.config.deployment.uploads.${nixString(upload.name)}.text`;
  return (await evaluateAnew({ expression, baseDir: dirname(fleetFile), output: "raw" }, signal)).text;
}

export interface UploadedHost {
  readonly host: string;
  /** How many files it has now. */
  readonly uploads: number;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}

/** Uploads all that is declared for hosts that are meant, whatever they run; one outcome for each that has any. */
export async function uploadToHosts(deployer: Deployer, request: HostsRequest): Promise<UploadedHost[]> {
  const { fleetFile, observer, signal } = deployer;
  const opened = await openContext(deployer, { hosts: request.hosts });
  const context = { ...opened, hosts: opened.hosts.filter(({ uploads = [] }) => uploads.length > 0) };
  if (context.hosts.length === 0) observer.note("no host that is meant has deployment.uploads");
  return await withSessions(deployer, context, async (sessions) =>
    mapConcurrently(context.hosts, CONCURRENCY_DEFAULT, async (host) => {
      const { name, uploads = [] } = host;
      try {
        await requireUploads(host, dirname(fleetFile));
        await uploadsTo(deployer, sessions)(host, (text) => observer.update(name, text)).after();
        observer.done(name, `has its ${renderCount(uploads.length, "upload")}`);
        return { host: name, uploads: uploads.length };
      } catch (error) {
        if (!(error instanceof OperationError) || signal.aborted) throw error;
        const { code, hint, message } = error;
        observer.done(name, `${message} [${code}]${hint === undefined ? "" : `; ${hint}`}`, "failed");
        return { host: name, uploads: 0, error: { code, message, ...(hint === undefined ? {} : { hint }) } };
      }
    }),
  );
}
