# Builds what a host needs that has no store: Nix, started through its own loader, and the generator that gives systemd our
# units. It is a system too, one that declares nothing: what a host runs before the first deployment, and after the last.
# Run by `busybox sh -e`; gets $bootUnit, $busybox, $generator, $libraryPath, $loader, $meta, $nix and $out.
set -u
umask 022
bb=$busybox

$bb mkdir -p "$out/bin" "$out/etc" "$out/lib"
$bb cp -L "$busybox" "$out/bin/busybox"
for program in nix nix-daemon nix-store; do
  $bb cat > "$out/bin/$program" <<SCRIPT
#!$out/bin/busybox sh
export NIX_CONF_DIR=$out/etc/nix
exec $loader --argv0 $program --library-path $libraryPath $nix/usr/bin/nix "\$@"
SCRIPT
done
$bb mkdir "$out/etc/nix"
printf 'build-users-group =\nexperimental-features = nix-command\n' > "$out/etc/nix/nix.conf"
$bb cp "$generator" "$out/lib/generator"
$bb mkdir -p "$out/etc/systemd/system/sysinit.target.wants"
$bb cp "$bootUnit" "$out/etc/systemd/system/pristine-boot.service"
$bb ln -s ../pristine-boot.service "$out/etc/systemd/system/sysinit.target.wants/pristine-boot.service"
$bb cp "$metaPath" "$out/meta.json"
$bb ln -s "$out" "$out/engine"
$bb chmod 0555 "$out"/bin/* "$out/lib/generator"
