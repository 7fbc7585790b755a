# Builds what the host kit's program runs on: QuickJS, the parts of the C library it needs, and a busybox for what QuickJS
# lacks (sockets, syncing to disk). Little outside of it is used, so it runs on any Linux with systemd of its architecture.
# Run by `busybox sh -e`; gets $busybox, $libraries, $loader, $qjs and $out.
set -u
umask 022
bb=$busybox

$bb mkdir -p "$out/bin" "$out/lib"
for library in "$loader" libc.so.6 libm.so.6; do
  $bb cp -L "$libraries/$library" "$out/lib/$library"
done
$bb cp -L "$qjs" "$out/bin/qjs"
$bb cp -L "$busybox" "$out/bin/busybox"
$bb chmod 0555 "$out/bin/qjs" "$out/bin/busybox" "$out/lib/$loader"
