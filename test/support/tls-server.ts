/** A server with a certificate for `localhost` by an authority of its own, which others can be told to trust. */

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TlsServer {
  readonly port: number;
  /** The file with the authority's certificate. */
  readonly authority: string;
  [Symbol.dispose](): void;
}

/** A process of its own, so that it answers while the test waits for another program. */
const SERVER = `
  const { readFileSync } = require("node:fs");
  const files = { key: readFileSync("key"), cert: readFileSync("crt") };
  const server = require("node:https").createServer(files, (request, response) => {
    response.statusCode = Number(request.url.slice(1)) || 200;
    response.end(request.method + " for " + request.headers.host);
  });
  server.listen(0, "localhost", () => console.log(server.address().port));
`;

/** Answers each request with the status that its path names. */
export async function startTlsServer(): Promise<TlsServer> {
  const directory = mkdtempSync(join(tmpdir(), "tls-"));
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: directory, stdio: "pipe" });
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...made, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.crt");
  const names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"];
  const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-subj", "/CN=localhost"];
  openssl("req", "-x509", ...made, ...signed, ...names, "-keyout", "key", "-out", "crt");
  const server = spawn(process.execPath, ["-e", SERVER], { cwd: directory, stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve) => {
    server.stdout.once("data", (data: Buffer) => resolve(Number(String(data))));
  });
  return {
    port,
    authority: at("ca.crt"),
    [Symbol.dispose]: () => {
      server.kill();
      rmSync(directory, { recursive: true });
    },
  };
}
