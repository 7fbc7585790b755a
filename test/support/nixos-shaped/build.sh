# Builds the system. Run by `busybox sh -e`.
set -u
umask 022
$busybox mkdir bin
for tool in cat chmod cp find ln mkdir mv rm sed; do $busybox ln -s "$busybox" "bin/$tool"; done
PATH=$PWD/bin

mkdir -p "$out/bin"
cp -a "$debian/etc" "$out/etc"
chmod -R u+w "$out/etc"
while read -r path file; do
  [ -d "$out/etc/${path%/*}" ] || continue
  rm -f "$out/etc/$path"
  ln -s "$file" "$out/etc/$path"
done <"$units"

# NixOS has all units there, the targets above all.
for path in "$debian"/usr/lib/systemd/system/*; do
  unit=$out/etc/systemd/system/${path##*/}
  [ -e "$unit" ] || [ -h "$unit" ] || ln -s "$path" "$unit"
done
# Units lie in a directory of their own, which a link names; none of them is Pristine's watch over a first boot.
find "$out/etc/systemd/system" -name pristine-resume.service -exec rm {} +
mv "$out/etc/systemd/system" "$out/units"
ln -s "$out/units" "$out/etc/systemd/system"
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
    -e "s|@installBootLoader@|$out/install-boot-loader|g; s|@coreutils@|/usr|g; s|@utillinux@|/usr|g; s|@debian@|$debian|g; s|@localeArchive@|/run/current-system/sw/lib/locale/locale-archive|g; s|@distroId@|nixos|g; s|@su@|/usr/bin/su|g; s|@shell@|/bin/sh|g; s|@snippets@|$snippets|g" \
    "$1" >"$2"
  chmod 0555 "$2"
}
place "$script" "$out/bin/switch-to-configuration"
place "$activate" "$out/activate"

place "$grub_menu" "$out/install-boot-loader"

# GRUB comes first; then stage 2 is the host's own, up to where systemd starts. A container's kernel command line is that
# of its first process. /boot and /etc are on the disk.
place "$grub" "$out/init"
chmod u+w "$out/init"
sed '/^exec /d' "$debian/init" >>"$out/init"
cat >>"$out/init" <<SCRIPT
rm /run/pristine/activated /run/current-system
ln -s "$out/sw" /usr.new && mv -T /usr.new /usr
rm /system /etc && mkdir /etc /boot
for directory in /etc /boot; do
  mkdir -p "/persist/root\$directory" && mount --bind "/persist/root\$directory" "\$directory"
done
: >/etc/NIXOS
"$out/activate"
exec "$out/systemd/lib/systemd/systemd" "\$@" init=$out/init
SCRIPT
chmod 0555 "$out/init"
