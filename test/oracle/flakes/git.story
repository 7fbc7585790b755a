# Flakes in git work trees and repositories: only what git tracks belongs to them.
$ mkdir -p w/sub dep; git -C w init -q -b main; git -C dep init -q -b main
echo '{ outputs = _: { v = 1; }; }' > dep/flake.nix; git -C dep add .; git -C dep commit -qm one
cat > w/flake.nix <<X
{ inputs.dep.url = "git+file://$PWD/dep"; inputs.part.url = "path:./sub";
  outputs = { self, dep, part }: { v = dep.v; part = part.v; s = self.sourceInfo; r = self.rev or self.dirtyRev or "none"; n = builtins.attrNames self;
    files = builtins.attrNames (builtins.readDir self); dep = dep.sourceInfo; sub = part.sourceInfo or null; }; }
X
echo '{ outputs = _: { v = "part"; }; }' > w/sub/flake.nix
! flake metadata ./w
$ git -C w add flake.nix
! flake lock ./w
$ git -C w add sub
> flake lock ./w
> flake lock ./w
> eval --json ./w#s
> eval --json ./w#files
> eval --json ./w#part
> eval --json ./w#sub
$ git -C w status --short > state
> eval --expr '"x"'
$ git -C w commit -qam all
> flake metadata ./w
> flake metadata ./w --json
> eval --json ./w#s
> eval --json ./w#n
> eval --json ./w#dep
> eval ./w#r
> eval git+file://$PWD/w#r
> eval git+file://$PWD/w?ref=main#r
> eval git+file://$PWD/w?dir=sub#v
> eval ./w/sub#v
> flake metadata --json ./w/sub
$ echo untracked > w/other; echo '# changed' >> w/flake.nix
> eval --json ./w#files
> eval ./w#r
> eval --json ./w#s
$ git -C w checkout -q flake.nix; echo '{ outputs = _: { v = 2; }; }' > dep/flake.nix; git -C dep commit -qam two; git -C dep tag t
> eval ./w#v
> flake update dep --flake ./w
> eval ./w#v
> eval ./w#r
$ touch -d 2024-01-02T03:04:06Z w/flake.lock; git -C w commit -qam updated; sed -i "s|dep\"|dep?ref=t\"|" w/flake.nix; git -C w commit -qam tagged
> flake lock ./w --commit-lock-file
> flake metadata ./w --json
$ git -C w log --format=%B > log
> eval --raw --expr 'builtins.readFile ./log' --impure
$ git -C dep checkout -q HEAD~1; sed -i "s|?ref=t|?rev=$(git -C dep rev-parse HEAD)|" w/flake.nix
> flake lock ./w
> eval ./w#v
> eval --json ./w#dep
> flake lock git+file://$PWD/w?ref=main
! eval git+file://$PWD/w?ref=nosuch#v
> flake metadata --json git+file://$PWD/w?ref=main --no-write-lock-file
$ echo dirty >> dep/flake.nix; sed -i "s|?rev=[0-9a-f]*||" w/flake.nix
! flake lock ./w
! eval git+file://$PWD/dep#v
$ git -C dep checkout -q flake.nix; echo '#' >> dep/flake.nix
> eval ./w#v
! flake lock ./w
> flake lock ./w --allow-dirty-locks
> eval --json --impure --expr "(builtins.getFlake \"git+file://$PWD/dep\").v"
> eval --json --expr "(builtins.getFlake \"git+file://$PWD/dep?rev=$(git -C dep rev-parse HEAD)\").rev"
