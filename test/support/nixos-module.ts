/** What the module for NixOS configurations comes to, with stand-ins for the options of NixOS that it reads and defines. */

import { join } from "node:path";
import { evaluate } from "../../src/realise/evaluate.ts";
import { CHECKOUT } from "./shop.ts";

const nixpkgs = process.env["NIXPKGS_LIB"];

/** With what it is evaluated: our lib and, when `NIXPKGS_LIB` names a checkout, nixpkgs'. */
export const MODULE_LIBS: readonly (readonly [title: string, libPath: string, skip: string | false])[] = [
  ["our lib", join(CHECKOUT, "nix/lib"), false],
  ["nixpkgs' lib", nixpkgs ?? "", nixpkgs === undefined && "NIXPKGS_LIB is not set"],
];

/** What was asked of a configuration, and what is wrong with it. */
interface Evaluated {
  readonly asked: unknown;
  readonly wrong: readonly string[];
}

/** Options of NixOS that the module reads and defines. */
const OPTIONS = `{ lib, ... }: let
  inherit (lib) mkOption types;
  any = default: mkOption { inherit default; type = types.unspecified; };
  named = options: mkOption { default = { }; type = types.attrsOf (types.submodule { inherit options; }); };
  list = default: mkOption { inherit default; type = types.listOf types.unspecified; };
in {
  options = {
    assertions = list [ ];
    users.users = named {
      group = any "users"; extraGroups = list [ ]; isNormalUser = any false; description = any ""; shell = any "/bin/sh";
      openssh.authorizedKeys = { keys = list [ ]; keyFiles = list [ ]; };
    };
    users.groups = named { members = list [ ]; };
    networking.hostName = any "web1";
    services.openssh.hostKeys = any [ { type = "rsa"; path = "/etc/ssh/rsa"; } { type = "ed25519"; path = "/etc/ssh/ed25519"; } ];
    nix.settings = {
      allowed-users = list [ "*" ]; trusted-users = list [ ]; trusted-public-keys = list [ ]; require-sigs = any true;
    };
    programs.ssh = { extraConfig = mkOption { type = types.lines; default = ""; }; knownHosts = any { }; };
    services.openssh.ports = any [ 22 ];
    systemd.tmpfiles.rules = list [ ];
    security.sudo = { enable = any true; extraRules = list [ ]; };
    environment.etc = mkOption { type = types.attrsOf types.unspecified; default = { }; };
    system.activationScripts = mkOption { type = types.attrsOf types.unspecified; };
  };
  config = {
    users.users = { root.group = "root"; app.group = "app"; };
    users.groups = { root = { }; app = { }; users = { }; wheel = { }; };
    nix.settings = { trusted-users = [ "root" "@wheel" ]; trusted-public-keys = [ "cache-1:AA==" ]; };
    security.sudo.extraRules = [ { users = [ ]; groups = [ "wheel" ]; } ];
  };
}`;

/** Evaluates a copy of the module that lies by itself in a directory, with definitions that are in `web1.nix`. */
export async function evaluateModule(
  module: string,
  libPath: string,
  definitions: string,
  asked: string,
): Promise<Evaluated> {
  const expression = `let
    lib = import ${libPath};
    inherit (lib.evalModules {
      specialArgs.pkgs.age = "/nix/store/33333333333333333333333333333333-age";
      modules = [ ${module} (${OPTIONS}) ({ lib, ... }: { _file = "web1.nix"; config = ${definitions}; }) ];
    }) config;
    inherit (config.environment) etc;
  in {
    asked = ${asked};
    wrong = map (entry: entry.message) (builtins.filter (entry: !entry.assertion) config.assertions);
  }`;
  const request = { expression, baseDir: CHECKOUT, output: "json", strict: true } as const;
  return JSON.parse((await evaluate(request, AbortSignal.timeout(60_000))).text) as Evaluated;
}
