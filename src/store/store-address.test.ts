import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveStoreAddress } from "./store-address.ts";

test("store addresses", async () => {
  const cases: [string, unknown][] = [
    ["daemon", { kind: "daemon" }],
    ["local", { kind: "local", root: "/" }],
    ["local?root=/srv/x%20y", { kind: "local", root: "/srv/x y" }],
    ["/srv/x", { kind: "local", root: "/srv/x" }],
    ["ssh-ng://root@host.example:2222", { kind: "ssh", host: "root@host.example", port: "2222" }],
    ["ssh-ng://host", { kind: "ssh", host: "host", port: undefined }],
  ];
  for (const [text, address] of cases) assert.deepEqual(await resolveStoreAddress(text), address, text);
  for (const text of ["s3://bucket", "ssh-ng://", "nonsense"]) {
    await assert.rejects(resolveStoreAddress(text), { code: "STORE_ADDRESS_UNKNOWN" }, text);
  }
});
