#!/bin/sh
# Makes /etc the system's, and says last that the system runs, as NixOS's activation script does: links to what is in
# /etc/static now, in directories that may hold more. What cannot be linked is warned of; without /etc/static nothing is
# tried, and the script fails in the end.
status=0
replace() {
  ln -sfn "$1" "$2.tmp" && mv -T "$2.tmp" "$2"
}
make_etc() {
  replace @out@/etc /etc/static || return 1
  mkdir -p /etc/systemd
  for path in /etc/static/* /etc/static/systemd/*; do
    name=${path#/etc/static/}
    [ "$name" = systemd ] || replace "$path" "/etc/$name" || echo "could not create symlink /etc/$name" >&2
  done
  for path in /etc/* /etc/systemd/*; do
    case $(readlink "$path") in
      /etc/static/*) [ -e "$path" ] || [ -h "/etc/static/${path#/etc/}" ] || rm "$path" ;;
    esac
  done
}
replace @out@/sw /usr || status=1
make_etc || { echo "Activation script snippet 'etc' failed (1)" >&2; status=1; }
systemConfig=@out@
. @snippets@
[ ! -e /etc/activation-is-broken ] || exit 1
replace @out@ /run/current-system || status=1
exit $status
