# Files from a template; what is there stays as it is.
$ mkdir -p f/tpl/made/sub
cat > f/flake.nix <<'X'
{ outputs = _: { templates = rec {
  t = { path = ./tpl; description = "a template"; welcomeText = "welcome"; };
  default = t;
  plain = { path = ./plain; description = "no welcome"; };
}; }; }
X
echo '{ outputs = _: { v = import ./sub/v.nix; }; }' > f/tpl/made/flake.nix
echo '42' > f/tpl/made/sub/v.nix; ln -s sub/v.nix f/tpl/made/link
mkdir f/plain; echo kept > f/plain/kept
> flake init -t ./f#plain
> flake init -t ./f#t
> eval ./made#v
! flake init -t ./f#absent
$ echo other > made/sub/v.nix
! flake init -t ./f
$ rm -r made; git init -q .
> flake init --template path:./f
> eval ./made#v
