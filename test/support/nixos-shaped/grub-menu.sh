#!/bin/sh
# Writes GRUB's menu as NixOS's install-grub.pl does: the default first, then every generation of the profile in a submenu.
[ ! -e /run/boot-loader-is-broken ] || exit 1
entry() {
  echo "menuentry \"$1\" --class nixos --unrestricted {
  linux /kernels/bzImage init=$2/init loglevel=4
  initrd /kernels/initrd
}
"
}
mkdir -p /boot/grub
{
  cat <<'HEADER'
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ]; then
  set default="${next_entry}"
  set next_entry=
  save_env next_entry
  set timeout=1
  set boot_once=true
else
  set default=0
  set timeout=5
fi
HEADER
  entry "NixOS" "$1"
  echo 'submenu "NixOS - All configurations" --class submenu {'
  for link in $(ls -d /nix/var/nix/profiles/system-*-link | sort -V -r); do
    number=${link#/nix/var/nix/profiles/system-}
    entry "NixOS - Configuration ${number%-link} (2026-11-28 - 26.05)" "$(readlink -f "$link")"
  done
  echo '}'
} >/boot/grub/grub.cfg.tmp || exit 1
sync /boot/grub/grub.cfg.tmp || exit 1
mv /boot/grub/grub.cfg.tmp /boot/grub/grub.cfg
