/** The fleet of the fault matrix: hosts that are alike, each of which serves a version and may be told to break. */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { labUp } from "../../../src/lab/lab.ts";
import type { SystemBase } from "../../../src/machine/system-object.ts";
import { FleetDriver } from "../fleet-driver.ts";
import { takeScratch } from "../scratch.ts";
import { bootstrapOf } from "../test-system.ts";
import { copyProgram } from "./program.ts";

export interface Declaration {
  readonly version: string;
  /** Its health check fails, so that it returns. */
  readonly sick?: boolean;
  /** Its firewall does not let the ssh server be reached. */
  readonly shutOut?: boolean;
}

const FLEET = (name: string, hosts: readonly string[]): string => `
let names = [ ${hosts.map((host) => `"${host}"`).join(" ")} ];
in
{
  meta = { name = "${name}"; base = "debian"; };
  defaults = ./host.nix;
  hosts = builtins.listToAttrs (map (name: {
    inherit name;
    value.shown = builtins.fromJSON (builtins.readFile (./hosts + "/\${name}.json"));
  }) names);
}
`;

/** Declared, but never up: what hosts of NixOS boot first, with the address that the lab gives them. */
const FIRST = "first";
const UP_DEADLINE_MS = 240_000;

/** Each step of an activation has something to do when the version changes. */
const HOST = `
{ config, lib, pkgs, ... }:
let
  inherit (config.shown) version;
  nixos = ./nixos-shaped;
  sleeper = more: lib.recursiveUpdate {
    wantedBy = [ "multi-user.target" ];
    environment.VERSION = version;
    serviceConfig.ExecStart = "/usr/bin/sleep infinity";
  } more;
  copy = "/usr/bin/cp /etc/version /run/by-reload";
in
{
  imports = lib.optional (builtins.pathExists nixos) nixos;
  options.shown = lib.mkOption { type = lib.types.attrsOf lib.types.anything; };
  config = {
    networking = {
      useDHCP = false;
      interfaces = lib.mkIf (config.shown.address != null) {
        host0.ipv4.addresses = [ { inherit (config.shown) address; prefixLength = 24; } ];
      };
      firewall.allowedTCPPorts = [ 80 ];
    };
    users.users.root.openssh.authorizedKeys.keyFiles = [ ./keys/operator.pub ];
    services.openssh.openFirewall = !config.shown.shutOut;
    services.nginx = {
      enable = true;
      virtualHosts.page = { default = true; locations."/".return = ''200 "\${version}"''; };
    };
    environment.etc.version.text = version;
    systemd.tmpfiles.rules = [ "f+ /run/by-tmpfiles 0644 root root - \${version}" ];
    systemd.services.stopped = sleeper { };
    systemd.services.restarted = sleeper { stopIfChanged = false; };
    systemd.services.reloaded = sleeper {
      reloadIfChanged = true;
      serviceConfig = { ExecStartPre = copy; ExecReload = copy; };
    };
    deployment = {
      confirmTimeout = config.shown.confirmTimeout;
      keepGenerations = 3;
      healthChecks.page = { http = { url = "http://localhost/"; body = version; }; interval = 1; retries = 3; };
      hooks.every = {
        on = "host";
        when = [ "preActivation" "postActivation" "preConfirmation" "postConfirmation" "preRollback" "postRollback" ];
        command = [ "/usr/bin/true" ];
      };
      healthChecks.well = lib.mkIf config.shown.sick { command = [ "/usr/bin/false" ]; retries = 0; };
    };
  };
}
`;

export class FaultFleet implements Disposable {
  readonly driver: FleetDriver;
  readonly hosts: readonly string[];
  /** How long hosts that are declared from now on wait for their confirmation. */
  confirmTimeoutSeconds = 5;
  readonly base: SystemBase;
  readonly #directory: string;
  readonly #subnet: string;

  private constructor(
    driver: FleetDriver,
    hosts: readonly string[],
    { base, directory, subnet }: { base: SystemBase; directory: string; subnet: string },
  ) {
    this.driver = driver;
    this.hosts = hosts;
    this.base = base;
    this.#directory = directory;
    this.#subnet = subnet;
  }

  /** Declares hosts that serve `version`, and locks; nothing of it is up. */
  static async make(options: { name: string; count: number; subnet: string; base?: SystemBase }): Promise<FaultFleet> {
    const { base = "debian", subnet } = options;
    const hosts = Array.from({ length: options.count }, (_, index) => `h${index + 1}`);
    const directory = takeScratch("pristine-faults");
    const fleet = join(directory, "fleet");
    mkdirSync(join(fleet, "hosts"), { recursive: true });
    const key = join(fleet, "keys/operator");
    mkdirSync(join(fleet, "keys"));
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", key]);
    const isNixos = base === "nixos";
    if (isNixos) cpSync(join(import.meta.dirname, "../nixos-shaped"), join(fleet, "nixos-shaped"), { recursive: true });
    writeFileSync(join(fleet, "fleet.nix"), FLEET(options.name, isNixos ? [...hosts, FIRST] : hosts));
    writeFileSync(join(fleet, "host.nix"), HOST);
    const driver = new FleetDriver(fleet, options.name, await copyProgram(join(directory, "program")));
    const made = new FaultFleet(driver, hosts, { base, directory, subnet });
    for (const host of [...hosts, FIRST]) made.declare(host, { version: "none" });
    await driver.run(["lock"]);
    return made;
  }

  /** Starts the lab, or makes one of its hosts anew. */
  async up(reset?: string): Promise<void> {
    const { driver, hosts } = this;
    if (this.base === "debian") {
      await driver.run(reset === undefined ? ["lab", "up"] : ["lab", "reset", reset]);
      return;
    }
    const { hosts: built } = await driver.ask<{ hosts: { path: string }[] }>(["build", FIRST]);
    await labUp({
      name: driver.name,
      hosts: hosts.map((name) => ({ name, address: this.#addressOf(name) })),
      bootstrap: bootstrapOf(built[0]!.path),
      reset: reset === undefined ? undefined : [reset],
      identityFiles: [join(driver.directory, "keys/operator")],
      signal: AbortSignal.timeout(UP_DEADLINE_MS),
    });
  }

  #addressOf(host: string): string {
    return `${this.#subnet}.${10 + this.hosts.indexOf(host)}`;
  }

  declare(host: string, { version, sick = false, shutOut = false }: Declaration): void {
    const address = host === FIRST ? null : this.#addressOf(host);
    const file = join(this.driver.directory, `hosts/${host}.json`);
    writeFileSync(
      file,
      JSON.stringify({ address, version, sick, shutOut, confirmTimeout: this.confirmTimeoutSeconds }),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
