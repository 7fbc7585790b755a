#!/bin/sh
# Makes /etc the system's, and says last that the system runs, as NixOS's activation script does: links to what is in
# /etc/static now, in directories that may hold more.
replace() {
  ln -sfn "$1" "$2.tmp" && mv -T "$2.tmp" "$2"
}
replace @out@/sw /usr
replace @out@/etc /etc/static
mkdir -p /etc/systemd
for path in /etc/static/* /etc/static/systemd/*; do
  name=${path#/etc/static/}
  [ "$name" = systemd ] || replace "$path" "/etc/$name"
done
for path in /etc/* /etc/systemd/*; do
  case $(readlink "$path") in
    /etc/static/*) [ -e "$path" ] || [ -h "/etc/static/${path#/etc/}" ] || rm "$path" ;;
  esac
done
[ ! -e /etc/activation-is-broken ] || exit 1
replace @out@ /run/current-system
