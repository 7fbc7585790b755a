/** Downloads go through the proxy that the environment names. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";

const PRISTINE = join(import.meta.dirname, "../../bin/pristine");
const directory = mkdtempSync(join(tmpdir(), "pristine-proxy-"));
after(() => rmSync(directory, { recursive: true, force: true }));

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

const port = await listen(createServer((_request, response) => response.end("from afar\n")));
const asked: string[] = [];
/** Takes every host to be the server above. */
const proxy = createServer((request, response) => {
  asked.push(new URL(request.url ?? "").host);
  response.end("from afar\n");
});
proxy.on("connect", (request, socket) => {
  asked.push(request.url ?? "");
  const upstream = connect(port, "127.0.0.1", () => {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    upstream.pipe(socket).pipe(upstream);
  });
});
const proxyPort = await listen(proxy);

async function fetched(url: string, env: Readonly<Record<string, string>>): Promise<string> {
  const expression = `builtins.readFile (builtins.fetchurl "${url}")`;
  const { stdout } = await promisify(execFile)(PRISTINE, ["--no-cache", "eval", "--raw", "--expr", expression], {
    env: { PATH: process.env["PATH"] ?? "", HOME: directory, PRISTINE_RESIDENT: "off", ...env },
  });
  return stdout;
}

test("a host that only the proxy knows is reached", async () => {
  const env = { http_proxy: `http://127.0.0.1:${proxyPort}` };
  assert.equal((await fetched("http://far.invalid/file", env)).trim(), "from afar");
  assert.match(asked.join(" "), /far\.invalid/);
});

test("what no_proxy names is asked directly", async () => {
  const before = asked.length;
  const env = { http_proxy: `http://127.0.0.1:${proxyPort}`, no_proxy: "127.0.0.1" };
  assert.equal((await fetched(`http://127.0.0.1:${port}/file`, env)).trim(), "from afar");
  assert.equal(asked.length, before);
});
