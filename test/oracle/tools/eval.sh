nix eval --expr '{ a = 1; b = [ 1 2.5 "x" null true ./foo /bar ]; f = x: x; g = { a, b ? 1, ... }@args: a; }'
nix eval --expr '{ p = builtins.map; q = builtins.map (x: x); r = builtins.add 1; }'
nix eval --expr 'x: x'
nix eval --expr 'derivation { name = "x"; system = "s"; builder = "b"; }'
nix eval --expr '{ d = derivation { name = "x"; system = "s"; builder = "b"; }; r = rec { a = { b = 1; }; c = a; }; }'
nix eval --read-only --expr '[ (derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "a" "b" ]; }).b ]'
nix eval --json --expr '{ d = derivation { name = "x"; system = "s"; builder = "b"; }; }'
nix eval --json --expr '{ a = 1.0; b = [ ]; c = "\n\"é"; d = null; e = { }; }'
nix eval --json --pretty --expr '{ a = 1.0; b = [ ]; c = "\n\"é"; d = [ null { } { x = 1; } ]; }'
nix eval --raw --expr '"foo\nbar"'
nix eval --raw --expr 1
nix eval --raw --expr '{ }'
nix eval --raw --json --expr 1
nix eval --expr 'throw "a"'
nix eval --expr '{ a = throw "a"; b.c = abort "b"; }'
nix eval --expr '{ a = throw "two\nlines"; }'
nix eval --json --expr '{ a = throw "a"; }'
nix eval --json --expr '{ a = x: x; }'
nix eval --expr '1 +'
nix eval --expr 'x'
nix eval --apply 'x: x + 1' --expr 1
nix eval --apply 'x: throw x' --expr '"applied"'
nix eval --expr '{ a.b = 1; }' a
nix eval --expr '{ a.b = 1; }' a.b
nix eval --expr '{ a.b = 1; }' a.c
nix eval --expr '{ a.b = 1; }' a.b.c
nix eval --expr '[ 1 { x = 2; } ]' 1.x
nix eval --expr '{ a, b ? 2 }: a + b' --arg a 3
nix eval --expr '{ a, b ? 2 }: { sum = a + b; }' --arg a 3 sum
nix eval --expr '{ a, b ? 2 }: { sum = a + b; }' sum
nix eval --file nothere.nix
nix eval --expr 'builtins.currentTime'
nix eval --expr 'builtins.getEnv "HOME"'
nix eval --impure --expr 'builtins.getEnv "FROM_TEST"'
nix eval --expr /etc/passwd
nix eval --write-to made --expr '{ a = "x"; b.c = "y"; e = { }; }' && find made | sort && cat made/a made/b/c
nix eval --write-to made --expr '"x"'; rm -r made
nix eval --write-to made --expr '"x"' && cat made; rm -r made
nix eval --write-to made --expr 1
nix eval --write-to made --expr '{ a.b = 1; }'; rm -rf made
nix eval --foo --expr 1
nix eval --expr 1 --file x
nix eval --expr 1 a b
nix eval --show-trace --expr 'let f = x: throw "a"; in f 1'
nix eval --expr 'let f = x: if x == 0 then throw "deep" else 1 + f (x - 1); in f 10'
nix eval --show-trace --expr 'let f = x: if x == 0 then throw "deep" else 1 + f (x - 1); in f 3'
nix frob
nix eval -f set.nix
nix eval -f set.nix a
nix eval -f set.nix --argstr x foo a
nix eval -f double.nix --apply 'f: f 4'
nix eval --expr 'builtins.trace "hi" 1'
nix eval --expr 'builtins.warn "hi" 1'
nix eval --expr 'let x = [ x ]; in x'
nix eval --expr 'let x = { a = x; }; in x'
nix eval --expr '[ [ ] [ ] { } { } ]'
nix eval --expr '{ "a b" = 1; "if" = 2; or = 3; "" = 4; "1" = 5; "a-b'"'"'" = 6; }'
nix eval --expr '"\t\${x} $y $${z} \\"'
nix eval --option max-call-depth 50 --expr 'let f = x: f (x + 1); in f 1'
nix --extra-experimental-features pipe-operators eval --expr 1
echo 5 | nix eval --file -
nix hash path set.nix
nix hash path --base32 set.nix
nix hash path --algo sha512 --format base16 .
nix hash path --mode flat set.nix
nix hash file --type md5 --base16 set.nix
nix hash convert --to base16 sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
nix hash convert --to nix32 --from sri sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
nix hash convert --from base16 sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
nix hash convert e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
nix hash convert --hash-algo sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
nix hash to-sri --type sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
nix hash to-base32 sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
nix hash
nix hash frob
nix hash convert foo
nix hash path --type sha3 set.nix
nix --version
nix eval ./flake#value
nix eval ./flake
nix eval ./flake#nothing
nix eval --json path:./flake#set
nix eval --impure ./flake#set.b --apply 'x: x + 1'
nix eval --expr 'builtins.readFile /etc/hostname'
nix eval --expr '"${./set.nix}"'
nix eval --impure --expr '"${./set.nix}"'
nix eval --eval-profiler flamegraph --eval-profile-file profile --eval-profiler-frequency 0 --expr 'let f = x: g x; g = y: y + 1; in f 1 + f 2 + builtins.length (map f [ 1 2 ])' && sort profile
nix eval --eval-profiler flamegraph --eval-profile-file profile --eval-profiler-frequency 0 --expr 'let f = x: y: throw "a"; in f 1 2'; sort profile
nix eval --eval-profiler flamegraph --eval-profile-file profile --eval-profiler-frequency 0 --expr '(derivation { name = "d"; system = "s"; builder = "b"; }).drvPath' && sort profile | grep -o 'primop derivationStrict:.*'; rm -f profile
