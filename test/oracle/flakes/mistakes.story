# What cannot be a flake, and what is said about it.
$ mkdir f nothing
! flake metadata path:./nothing
! flake metadata ./nothing
! flake metadata ./nosuch
$ mkdir s; ln -s ../f s/f
$ cat > f/flake.nix <<'X'
1
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ outputs = 1; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ outputs = _: {}; foo = 1; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ description = 1 + 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = x: x; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = "path:/x" + "y"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a = { url = "path:/x"; follows = "b"; }; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.foo = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.type = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a = { type = "github"; owner = "x"; }; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a = { type = "git"; url = "file:///x"; foo = -1; }; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.follows = "b"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.follows = "a"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.follows = "b"; inputs.b.follows = "a"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ outputs = { self, nixpkgs }: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = "nixpkgs/a/b"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = "foo:x"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.flake = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.follows = "b c"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.self.foo = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.inputs.self.foo = 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.inputs.b.follows = "c"; inputs.a.url = "path:./s"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ nixConfig.a = _: 1; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ nixConfig.a = [1]; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ outputs = _:
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
rec { description = "x"; inputs.a.url = description; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = /x/y; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = ../y; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = "path:../y"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = "path:./nope"; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs.a.url = "path:./nope"; inputs.a.flake = false; outputs = i: { x = builtins.readDir i.a; }; inputs.b.follows = "a/b"; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
let x = 1; in { outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ outputs = import ./x.nix; }
X
! flake metadata ./f --flake-registry $PWD/none.json
$ cat > f/flake.nix <<'X'
{ inputs = { a = rec { url = "flake:${"x"}"; }; }; outputs = _: {}; }
X
! flake metadata ./f --flake-registry $PWD/none.json
