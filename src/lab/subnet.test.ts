/** Addresses of labs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { assignAddresses, checkAddress, chooseSubnet, overlaps, subnetOf } from "./subnet.ts";

test("ranges overlap when one holds the other", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["10.77.20.0/24", "10.77.20.5", true],
    ["10.77.20.0/24", "10.77.21.0/24", false],
    ["10.0.0.0/8", "10.77.20.0/24", true],
    ["10.77.20.128/25", "10.77.20.0/24", true],
    ["0.0.0.0/0", "192.168.1.1", true],
    ["172.16.0.0/12", "172.32.0.0/16", false],
    ["not an address", "10.77.20.0/24", false],
    ["10.77.20.300", "10.77.20.0/24", false],
  ];
  for (const [one, other, expected] of cases) {
    assert.equal(overlaps(one, other), expected, `${one} ${other}`);
    assert.equal(overlaps(other, one), expected, `${other} ${one}`);
  }
});

test("a lab's network follows from its name, and moves on when it is taken", () => {
  const first = chooseSubnet("shop", []);
  assert.equal(chooseSubnet("shop", []), first);
  assert.match(first, /^10\.77\.\d+$/);
  assert.notEqual(chooseSubnet("shop", [`${first}.0/24`]), first);
  assert.throws(() => chooseSubnet("shop", ["10.0.0.0/8"]), { code: "LAB_COLLISION" });
});

test("addresses are those asked for, those had before, then the next free", () => {
  const hosts = [{ name: "a" }, { name: "b", address: "10.77.20.11" }, { name: "c" }, { name: "d" }];
  const { gateway, addresses } = assignAddresses("10.77.20", hosts, new Map([["d", "10.77.20.50"]]));
  assert.equal(gateway, "10.77.20.1");
  assert.deepEqual(Object.fromEntries(addresses), {
    a: "10.77.20.12",
    b: "10.77.20.11",
    c: "10.77.20.13",
    d: "10.77.20.50",
  });
});

test("the gateway makes room for a host", () => {
  assert.equal(assignAddresses("10.1.2", [{ name: "a", address: "10.1.2.1" }], new Map()).gateway, "10.1.2.254");
});

test("what cannot be is refused", () => {
  const twice = [
    { name: "a", address: "10.1.2.3" },
    { name: "b", address: "10.1.2.3" },
  ];
  assert.throws(() => assignAddresses("10.1.2", twice, new Map()), { code: "LAB_ADDRESS_TWICE" });
  assert.throws(() => subnetOf(["10.1.2.3", "10.1.3.3"]), { code: "LAB_ADDRESSES_APART" });
  assert.throws(() => checkAddress("a", "8.8.8.8"), { code: "LAB_ADDRESS_PUBLIC" });
  assert.throws(() => checkAddress("a", "web1.example.org"), { code: "LAB_ADDRESS_INVALID" });
  checkAddress("a", "192.168.7.7");
});
