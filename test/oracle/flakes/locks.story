# Lock files of other versions, damaged ones, and inputs that are not what was locked.
$ mkdir f dep g; echo '{ outputs = _: { v = 1; }; }' > dep/flake.nix; cp dep/flake.nix g/
printf '{ inputs.dep.url = "path:%s/dep"; inputs.g.url = "path:%s/g"; inputs.g.flake = false; outputs = i: { v = i.dep.v; g = i.g.outPath; }; }' "$PWD" "$PWD" > f/flake.nix
> flake lock ./f
$ cp f/flake.lock kept; sed -i 's/"version": 7/"version": 6/' f/flake.lock
> eval ./f#v
> flake lock ./f
$ sed 's/"version": 7/"version": 5/' kept > f/flake.lock
> eval ./f#v
> flake metadata --json ./f
$ sed 's/"version": 7/"version": 8/' kept > f/flake.lock
! eval ./f#v
$ sed 's/"version": 7/"version": 4/' kept > f/flake.lock
! eval ./f#v
$ sed 's/"dep": "dep"/"dep": "gone"/' kept > f/flake.lock
! eval ./f#v
$ sed '/narHash/d; /"lastModified"/d' kept > f/flake.lock
! flake lock ./f
$ sed 's/"locked"/"lockd"/' kept > f/flake.lock
! eval ./f#v
$ sed 's/"type": "path"/"type": "path", "x": 1/' kept > f/flake.lock
! eval ./f#v
$ sed 's/"type": "path"/"type": "path", "x": []/' kept > f/flake.lock
! eval ./f#v
$ sed 's/"dep": "dep"/"dep": "root"/' kept > f/flake.lock
! eval ./f#v
$ sed 's/"dep": "dep"/"dep": ["g"]/' kept > f/flake.lock
> flake lock ./f
$ cp kept f/flake.lock; echo '{ outputs = _: { v = 2; }; }' > dep/flake.nix
$ sed -i 's/sha256-[A-Za-z0-9+]\{8\}/sha256-AAAAAAAA/' f/flake.lock
! eval ./f#v
> flake update dep g --flake ./f
> eval ./f#v
> eval ./f#g
> flake metadata ./f --json
$ sed -i 's/"dep":/"extra": "g", "dep":/' f/flake.lock
> flake lock ./f
$ rm f/flake.lock
> eval ./f#v --no-write-lock-file
! eval ./f#v --no-update-lock-file
> eval ./f#v
