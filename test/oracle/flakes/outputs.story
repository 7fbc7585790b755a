# What show, check and installables make of outputs.
$ mkdir f
cat > f/flake.nix <<'X'
{
  description = "outputs of every kind";
  outputs = { self }: let
    d = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo hi > $out" ]; };
  in {
    packages.x86_64-linux = { default = d "default" // { meta.description = "the default"; }; b = d "b"; };
    packages.aarch64-linux.b = throw "never";
    legacyPackages.x86_64-linux = { old = d "old"; set.deep = d "deep"; };
    defaultPackage.x86_64-linux = d "dp";
    checks.x86_64-linux.c = d "c";
    devShells.x86_64-linux.default = d "shell";
    apps.x86_64-linux.a = { type = "app"; program = "/bin/true"; meta.description = "an app"; };
    apps.x86_64-linux.b = { type = "app"; program = "/bin/true"; };
    formatter.x86_64-linux = d "fmt";
    overlays.default = final: prev: { };
    nixosModules.m = { ... }: { };
    nixosConfigurations.n.config.system.build.toplevel = d "top";
    templates.t = { path = ./.; description = "a template"; };
    hydraJobs.j = d "job";
    hydraJobs.set.k = d "k";
    lib.f = x: x;
    other = 1;
    empty = { };
    emptyPackages = { };
    v = { a.b = [ 1 2 ]; };
  };
}
X
> flake show ./f
> flake show --json ./f
! flake show --all-systems ./f
> flake show --legacy ./f
> eval ./f#v
> eval ./f#v.a.b
> eval ./f#other
> eval --raw ./f#b.name
> eval --raw ./f#old.name
> eval --raw ./f#packages.x86_64-linux.b
> eval ./f#b
> eval --raw ./f
> eval --json ./f#.v
> eval --json ./f#b --apply builtins.attrNames
! eval ./f#nope
! eval ./f#packages.x86_64-linux.nope
! eval ./f#.b
! eval path:./nothere#x
! eval ./nothere#x
$ sed -i '/aarch64/d; /other = 1/d; /empty/d; / v = /d' f/flake.nix
> flake check ./f --no-build
$ mkdir bad; for i in 1 2 3 4 5 6 7 8 9; do mkdir bad/$i; done
echo '{ outputs = _: { packages.x86_64-linux.a = 1; }; }' > bad/1/flake.nix
echo '{ outputs = _: { packages.linux = { }; }; }' > bad/2/flake.nix
echo '{ outputs = _: { apps.x86_64-linux.a = { type = "app"; }; }; }' > bad/3/flake.nix
echo '{ outputs = _: { overlays.a = { final }: 1; }; }' > bad/4/flake.nix
echo '{ outputs = _: { overlay = 1; }; }' > bad/5/flake.nix
echo '{ outputs = _: { templates.a = { path = ./nope; description = "x"; }; }; }' > bad/6/flake.nix
echo '{ outputs = _: { hydraJobs.a = 1; }; }' > bad/7/flake.nix
echo '{ outputs = _: { nixosConfigurations.a = { }; }; }' > bad/8/flake.nix
echo '{ outputs = _: { checks.x86_64-linux.a = throw "broken"; }; }' > bad/9/flake.nix
! flake check ./bad/1 --no-build
! flake check ./bad/2 --no-build
! flake check ./bad/3 --no-build
! flake check ./bad/4 --no-build
! flake check ./bad/5 --no-build
! flake check ./bad/6 --no-build
! flake check ./bad/7 --no-build
! flake check ./bad/8 --no-build
! flake check ./bad/9 --no-build
! flake show ./bad/9
