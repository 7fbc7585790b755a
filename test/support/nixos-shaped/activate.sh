#!/bin/sh
# Makes /etc the system's, and says last that the system runs, as NixOS's activation script does.
replace() {
  ln -sfn "$1" "$2.tmp" && mv -T "$2.tmp" "$2"
}
replace @out@/sw /usr
replace @out@/etc /etc/static
for path in /etc/static/*; do
  replace "/etc/static/${path##*/}" "/etc/${path##*/}"
done
for path in /etc/*; do
  case $(readlink "$path") in
    /etc/static/*) [ -e "$path" ] || [ -h "/etc/static/${path##*/}" ] || rm "$path" ;;
  esac
done
[ ! -e /etc/activation-is-broken ] || exit 1
replace @out@ /run/current-system
