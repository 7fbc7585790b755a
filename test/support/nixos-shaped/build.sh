# Builds the system. Run by `busybox sh -e`.
set -u
umask 022
$busybox mkdir bin
for tool in cat chmod cp ln mkdir rm sed; do $busybox ln -s "$busybox" "bin/$tool"; done
PATH=$PWD/bin

mkdir -p "$out/bin"
cp -a "$debian/etc" "$out/etc"
chmod -R u+w "$out/etc"
while read -r path file; do
  rm -f "$out/etc/$path"
  ln -s "$file" "$out/etc/$path"
done <"$units"

# NixOS has all units there, the targets above all.
for path in "$debian"/usr/lib/systemd/system/*; do
  unit=$out/etc/systemd/system/${path##*/}
  [ -e "$unit" ] || [ -h "$unit" ] || ln -s "$path" "$unit"
done
rm -f "$out/etc/os-release"
echo 'ID=nixos
PRETTY_NAME="NixOS 26.05"' >"$out/etc/os-release"

ln -s "$debian/usr" "$out/sw"
# A lab's stage 1 finds /usr by it, from outside: a relative link.
cp -a "$debian/usr" "$out/usr"
ln -s "$debian/usr" "$out/systemd"
echo 26.05 >"$out/nixos-version"
printf %s "$system" >"$out/system"
echo 'systemd 1' >"$out/init-interface-version"
[ ! -e "$out/etc/switch-inhibitors" ] || cat "$out/etc/switch-inhibitors" >"$out/switch-inhibitors"

# A script of NixOS's from before systemd listed units with a mark before each asks for a plain list.
place() {
  sed -e 's|systemctl list-units --full|systemctl list-units --plain --full|' -e "s|@out@|$out|g; s|@toplevel@|$out|g; s|@systemd@|$out/sw|g; s|@perl@/bin/perl|/usr/bin/perl|; s|@perl@|/usr/bin/perl|" \
    -e "s|@installBootLoader@|$out/install-boot-loader|g; s|@coreutils@|/usr|g; s|@utillinux@|/usr|g; s|@debian@|$debian|g" \
    "$1" >"$2"
  chmod 0555 "$2"
}
place "$script" "$out/bin/switch-to-configuration"
place "$activate" "$out/activate"

cat >"$out/install-boot-loader" <<'SCRIPT'
#!/bin/sh
# The boot loader of the tests keeps what it is to boot in a file.
[ ! -e /run/boot-loader-is-broken ] || exit 1
echo "$1" >/nix/var/boot-loader
SCRIPT
chmod 0555 "$out/install-boot-loader"

# Stage 2 is the host's own, up to where systemd starts.
sed '/^exec /d' "$debian/init" >"$out/init"
cat >>"$out/init" <<SCRIPT
rm /run/pristine/activated /run/current-system
ln -s "$out/sw" /usr.new && mv -T /usr.new /usr
rm /system /etc && mkdir /etc && : >/etc/NIXOS
"$out/activate"
exec "$out/systemd/lib/systemd/systemd" "\$@"
SCRIPT
chmod 0555 "$out/init"
