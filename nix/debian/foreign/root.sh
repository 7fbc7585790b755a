# Builds the root of a service's files: its packages' /usr, what these bring in /etc, links to the host's declared files
# there, and what systemd mounts over.
# Run by `busybox sh -e`; gets $busybox, $declared, $hostFiles, $leftOut, $packages, $usr and $out.
set -u
umask 022
bb=$busybox

$bb mkdir -p "$out/etc" "$out/nix/store" "$out/run" "$out/var"
for directory in dev home proc root sys tmp; do $bb mkdir "$out/$directory"; done
$bb ln -s "$usr" "$out/usr"
for directory in bin sbin lib lib64; do $bb ln -s "usr/$directory" "$out/$directory"; done

for package in $packages; do
  [ -d "$package/etc" ] || continue
  ( cd "$package/etc"; $bb find . -type d ) | while read -r directory; do $bb mkdir -p "$out/etc/$directory"; done
  ( cd "$package/etc"; $bb find . ! -type d ) | while read -r file; do
    # A file of two packages is the first one's: none of them is written to.
    [ -h "$out/etc/$file" ] || $bb ln -s "$package/etc/${file#./}" "$out/etc/${file#./}"
  done
done
for path in $leftOut; do $bb rm -rf "$out/etc/$path"; done
for path in $declared; do
  $bb mkdir -p "$out/etc/$($bb dirname "$path")"
  $bb rm -rf "$out/etc/$path"
  $bb ln -s "/run/pristine/foreign/system/etc/$path" "$out/etc/$path"
done
for path in $hostFiles; do
  $bb rm -rf "$out/etc/$path"
  : > "$out/etc/$path"
done
