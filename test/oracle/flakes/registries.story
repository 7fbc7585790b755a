# Names that registries resolve. (Two names of one tree in different directories confuse Nix, so there are none.)
$ mkdir -p config/nix a b b/sub top
echo '{ outputs = _: { v = "a"; }; }' > a/flake.nix; echo '{ outputs = _: { v = "b"; }; }' > b/flake.nix
echo '{ outputs = _: { v = "sub"; }; }' > b/sub/flake.nix
cat > config/nix/registry.json <<X
{ "version": 2, "flakes": [
  { "from": { "type": "indirect", "id": "one" }, "to": { "type": "path", "path": "$PWD/a" } },
  { "from": { "type": "indirect", "id": "alias" }, "to": { "type": "indirect", "id": "one" } },
  { "from": { "type": "indirect", "id": "loop" }, "to": { "type": "indirect", "id": "loop" } } ] }
X
cat > global.json <<X
{ "version": 2, "flakes": [
  { "from": { "type": "indirect", "id": "two" }, "to": { "type": "path", "path": "$PWD/a" } },
  { "from": { "type": "indirect", "id": "subdir" }, "to": { "type": "path", "path": "$PWD/b", "dir": "sub" } },
  { "from": { "type": "indirect", "id": "exact", "ref": "x" }, "to": { "type": "path", "path": "$PWD/b" }, "exact": true } ] }
X
echo '{ inputs.s.url = "subdir"; outputs = { self, two, s }: { v = two.v + s.v; }; }' > top/flake.nix
> eval one#v --flake-registry $PWD/global.json
> eval alias#v --flake-registry $PWD/global.json
> eval two#v --flake-registry $PWD/global.json
> eval subdir#v --flake-registry $PWD/global.json
> eval exact/x#v --flake-registry $PWD/global.json
! eval exact/y#v --flake-registry $PWD/global.json
! eval loop#v --flake-registry $PWD/global.json
! eval none#v --flake-registry $PWD/global.json
! eval one/branch#v --flake-registry $PWD/global.json
> flake metadata --json subdir --flake-registry $PWD/global.json
> flake lock ./top --flake-registry $PWD/global.json
> eval ./top#v --flake-registry $PWD/none.json
> flake metadata ./top --json --flake-registry $PWD/none.json
$ echo '{ inputs.one.url = "one"; outputs = { self, one }: { v = one.v; }; }' > top/flake.nix
# Only the user's own registry has it, which inputs must not depend on.
! flake lock ./top --flake-registry $PWD/global.json
> flake lock ./top --flake-registry $PWD/global.json --override-flake one path:$PWD/b
> eval ./top#v --flake-registry $PWD/none.json
> eval one#v --override-flake one path:$PWD/b --flake-registry $PWD/none.json
! eval one#v --no-registries
