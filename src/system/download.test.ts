/** Downloads from a server that fails in the usual ways. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { askHttp } from "./ask-http.ts";
import { download } from "./download.ts";
import { fetchBytes } from "./fetch-bytes.ts";

const DATA = Buffer.alloc(300_000, "abc");
const signal = AbortSignal.timeout(30_000);

suite("downloads", () => {
  let flakyRequests = 0;
  const answers: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>> = {
    "/whole": (_, response) => response.end(DATA),
    "/large": (_, response) => response.end(Buffer.alloc(4_000_000)),
    // The first part, then the rest.
    "/cut": ({ headers }, response) => {
      if (headers.range !== undefined) {
        response.writeHead(206, { "content-length": 200_000 });
        return response.end(DATA.subarray(100_000));
      }
      response.writeHead(200, { "content-length": DATA.length });
      response.write(DATA.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
    },
    "/stalling": (_, response) => response.write("x"),
    // Too busy, then cut in the middle, then the rest.
    "/flaky": ({ headers }, response) => {
      flakyRequests++;
      const start = Number(/bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
      if (flakyRequests === 1) return response.writeHead(503).end();
      response.writeHead(start === 0 ? 200 : 206, { "content-length": DATA.length - start });
      if (start > 0) return response.end(DATA.subarray(start));
      response.write(DATA.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
    },
  };
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ""];
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  const directory = mkdtempSync(join(tmpdir(), "pristine-download-test-"));
  const file = join(directory, "file");
  let address = "";
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  });

  test("what was cut off is continued", async () => {
    const retries: string[] = [];
    const { fetchedBytes } = await download({
      urls: [`${address}/flaky`],
      file,
      signal,
      onRetry: (reason) => retries.push(reason),
    });
    assert.deepEqual(readFileSync(file), DATA);
    assert.ok(fetchedBytes < DATA.length);
    assert.match(retries.join("\n"), /HTTP 503 Service Unavailable\n.*other side closed/);
  });

  test("what the last address gave before it failed is continued by the next run", async () => {
    const part = join(directory, "part");
    await assert.rejects(download({ urls: [`${address}/cut`], file: part, signal, attemptsMax: 1 }), {
      code: "DOWNLOAD_FAILED",
    });
    assert.deepEqual(readFileSync(part), DATA.subarray(0, 100_000));
    const { fetchedBytes } = await download({ urls: [`${address}/cut`], file: part, signal, attemptsMax: 1 });
    assert.equal(fetchedBytes, 200_000);
    assert.deepEqual(readFileSync(part), DATA);
  });

  test("an answer that is too large to be small is none", async () => {
    const lengthOf = async (path: string): Promise<number> => {
      const answer = await askHttp(`${address}${path}`, { timeoutMs: 5_000 });
      return typeof answer === "string" ? assert.fail(answer) : answer.body.length;
    };
    assert.equal(await lengthOf("/whole"), DATA.length);
    assert.equal(await lengthOf("/large"), 1024 * 1024, "its beginning");
  });

  test("the next address is asked when one has nothing", async () => {
    const urls = [`${address}/none`, "file:///nowhere/at/all", `${address}/whole`];
    assert.equal((await download({ urls, file, signal, attemptsMax: 1 })).url, urls[2]);
    assert.deepEqual(readFileSync(file), DATA);
  });

  for (const [path, code] of Object.entries({ "/none": "DOWNLOAD_NOT_FOUND", "/stalling": "DOWNLOAD_STALLED" })) {
    test(`${path} is ${code}`, async () => {
      await assert.rejects(download({ urls: [address + path], file, signal, stallMs: 100, attemptsMax: 1 }), { code });
    });
  }

  test("a whole file in memory has a largest size", async () => {
    assert.deepEqual(await fetchBytes(`${address}/whole`, { signal, sizeMax: DATA.length }), DATA);
    await assert.rejects(fetchBytes(`${address}/whole`, { signal, sizeMax: 1000 }), { code: "DOWNLOAD_TOO_LARGE" });
  });
});
