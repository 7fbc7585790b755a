# Inputs of inputs, shared and overridden.
$ mkdir -p top/sub dep two plain
echo hello > plain/f
cat > two/flake.nix <<'X'
{ description = "two"; inputs.plain = { url = "path:PLACE/plain"; flake = false; };
  outputs = { self, plain }: { v = 2; p = plain; file = builtins.readFile (plain + "/f"); }; }
X
cat > dep/flake.nix <<'X'
{ inputs.two.url = "path:PLACE/two"; inputs.other.url = "path:PLACE/two";
  outputs = { self, two, other }: { v = two.v + 1; inherit two; lib.x = 5; }; }
X
cat > top/sub/flake.nix <<'X'
{ inputs.dep.url = "path:PLACE/dep"; outputs = i: { v = i.dep.v; where = ./.; self = i.self.outPath; }; }
X
cat > top/flake.nix <<'X'
{ description = "top"; inputs.dep.url = "path:PLACE/dep"; inputs.dep.inputs.other.follows = "two";
  inputs.two.follows = "dep/two"; inputs.sub.url = "path:./sub"; inputs.sub.inputs.dep.follows = "dep";
  inputs.raw = { url = "path:./sub"; flake = false; };
  outputs = { self, dep, two, sub, raw }: { v = dep.v + two.v; src = self.sourceInfo; s = sub.v; sw = sub.self;
    raw = raw.outPath; file = two.file; names = builtins.attrNames self; same = dep.inputs.other.outPath == two.outPath; }; }
X
sed -i "s|PLACE|$PWD|g" */flake.nix */*/flake.nix
> flake lock ./top
> flake metadata ./top
> flake metadata ./top --json
> eval --json ./top#v
> eval --json ./top#src
> eval --json ./top#s
> eval --json ./top#sw
> eval --json ./top#raw
> eval --json ./top#file
> eval --json ./top#names
> eval ./top#same
> eval ./top#src
# Nothing changed: nothing is written.
> flake lock ./top
$ echo bye > plain/f
> flake lock ./top
> flake update two dep --flake ./top
> flake update dep/two/plain --flake ./top
> flake update --flake ./top
> eval --json ./top#file
> flake update nosuch --flake ./top
$ sed -i 's|inputs.two.follows = "dep/two"|inputs.two.url = "path:PLACE/two"|' top/flake.nix; sed -i "s|PLACE|$PWD|g" top/flake.nix
> flake metadata ./top --no-write-lock-file --json
! flake metadata ./top --no-update-lock-file
> flake lock ./top
> eval ./top#same
> flake lock ./top --override-input dep/two path:./top/sub
> eval --json ./top#v --override-input dep/two path:./top/sub
> flake lock ./top --output-lock-file other.lock
> flake metadata ./top --json --reference-lock-file other.lock
$ sed -i 's|inputs.dep.inputs.other.follows = "two";||' top/flake.nix
> flake lock ./top
$ sed -i 's|inputs.two.url|inputs.three.url|; s|two, sub|three, sub|; s|two\.|three.|g' top/flake.nix
> flake lock ./top
> flake metadata ./top
