# Builds the host kit: QuickJS, the parts of the C library it needs, a busybox for what QuickJS lacks (sockets, syncing to
# disk), and our program. Little outside of it is used, so it runs on any Linux with systemd of its architecture.
# Run by `busybox sh -e`; gets $busybox, $libraries, $loader, $qjs, $kitJs and $out.
set -u
umask 022
bb=$busybox

$bb mkdir -p "$out/bin" "$out/lib"
for library in "$loader" libc.so.6 libm.so.6; do
  $bb cp -L "$libraries/$library" "$out/lib/$library"
done
$bb cp -L "$qjs" "$out/bin/qjs"
$bb cp -L "$busybox" "$out/bin/busybox"
$bb cp "$kitJs" "$out/kit.js"
$bb cat > "$out/bin/pristine-kit" <<SCRIPT
#!$out/bin/busybox sh
exec $out/lib/$loader --library-path $out/lib $out/bin/qjs --module $out/kit.js "\$@"
SCRIPT
$bb chmod 0555 "$out/bin/pristine-kit" "$out/bin/qjs" "$out/bin/busybox" "$out/lib/$loader"
