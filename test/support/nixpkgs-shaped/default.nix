# Shaped like nixpkgs, as far as tools that deploy NixOS look at it: packages, `lib`, and `nixos/lib/eval-config.nix`.
{
  system ? "x86_64-linux",
  overlays ? [ ],
  config ? { },
}:
let
  lib = import ./lib.nix;
  make =
    name: text:
    derivation {
      inherit name system text;
      builder = "/bin/sh";
      args = [
        "-c"
        "printf %s \"$text\" > $out"
      ];
    };
  packages = {
    inherit
      lib
      system
      overlays
      config
      ;
    path = ./.;
    stdenv.hostPlatform.system = system;
    writeText = make;
    writeTextFile = { name, text, ... }: make name text;
    writeScript = make;
    runtimeShell = "/bin/sh";
    runCommand =
      name: env: text:
      make name text;
    # As nixpkgs': what it joins is in an attribute as JSON.
    buildEnv =
      { name, paths }:
      derivation {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-c"
          "mkdir $out; echo \"$pkgs\""
        ];
        pkgs = builtins.toJSON (map (path: { paths = [ path ]; }) paths);
      };
    rustPlatform.buildRustPackage = { pname, version, ... }: make "${pname}-${version}" "";
    inotify-tools = make "inotify-tools-3.22" "";
    hello = make "hello-2.12" "";
  };
in
lib.fix (final: lib.foldl' (prev: overlay: prev // overlay final prev) packages overlays)
