# Builds the host kit: our program, and the command that starts it.
# Run by `busybox sh -e`; gets $busybox, $loader, $runtime, $kitJs and $out.
set -u
umask 022
bb=$busybox

$bb mkdir -p "$out/bin"
$bb cp "$kitJs" "$out/kit.js"
$bb ln -s "$runtime/bin/busybox" "$out/bin/busybox"
$bb cat > "$out/bin/pristine-kit" <<SCRIPT
#!$runtime/bin/busybox sh
exec $runtime/lib/$loader --library-path $runtime/lib $runtime/bin/qjs --module $out/kit.js "\$@"
SCRIPT
$bb chmod 0555 "$out/bin/pristine-kit"
