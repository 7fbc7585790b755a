# Flakes within flakes, archives and files.
$ mkdir -p top/a/b top/c tree/in; echo '{ inputs.b.url = "path:./b"; inputs.c.url = "path:../c"; outputs = i: { v = i.b.v + i.c.v; }; }' > top/a/flake.nix
echo '{ inputs.c.url = "path:../../c"; outputs = i: { v = "b" + i.c.v; }; }' > top/a/b/flake.nix; echo '{ outputs = _: { v = "c"; }; }' > top/c/flake.nix
echo '{ inputs.a.url = "path:./a"; inputs.a.inputs.b.inputs.c.url = "path:./c"; inputs.plain.url = ./c; inputs.plain.flake = false; outputs = i: { v = i.a.v; p = i.plain.outPath; o = i.a.inputs.b.outPath; s = i.a.sourceInfo.outPath == i.self.sourceInfo.outPath; }; }' > top/flake.nix
> flake lock ./top
> flake metadata ./top
> eval ./top#v
> eval ./top#p
> eval ./top#o
> eval ./top#s
> eval path:$PWD/top/a/b#v --no-write-lock-file --override-input c path:$PWD/top/c
> eval path:$PWD/top?dir=a#v
> flake metadata --json path:$PWD/top?dir=a
$ mkdir outer; echo "{ inputs.top.url = \"path:$PWD/top\"; inputs.top.inputs.plain.follows = \"other\"; inputs.other = { url = \"path:$PWD/tree\"; flake = false; }; inputs.deep.follows = \"top/a/b\"; outputs = i: { v = i.top.v; p = i.top.p; d = i.deep.v; }; }" > outer/flake.nix
> flake lock ./outer
# Nix cannot use what it wrote: the override's parent is not below the input that has it.
! flake metadata ./outer
! eval ./outer#v
$ echo '{ outputs = _: { v = "packed"; }; }' > tree/flake.nix; settle; tar -C . --sort=name --owner=0 --group=0 --numeric-owner -czf tree.tar.gz tree; echo text > file.txt
mkdir user; echo "{ inputs.t.url = \"file://$PWD/tree.tar.gz\"; inputs.x = { url = \"file+file://$PWD/file.txt\"; flake = false; }; outputs = i: { v = i.t.v; x = builtins.readFile i.x; s = i.t.sourceInfo; }; }" > user/flake.nix
> flake lock ./user
> eval ./user#v
> eval ./user#x
> eval --json ./user#s
> flake metadata ./user --json
$ echo '{ outputs = _: { v = "again"; }; }' > tree/flake.nix; settle; tar -C . --sort=name --owner=0 --group=0 --numeric-owner -czf tree.tar.gz tree
> flake update t --flake ./user
> eval ./user#v
$ mkdir -p x y; echo "{ inputs.y.url = \"path:$PWD/y\"; outputs = i: { }; }" > x/flake.nix; echo "{ inputs.x.url = \"path:$PWD/x\"; outputs = i: { }; }" > y/flake.nix
! flake lock ./x
