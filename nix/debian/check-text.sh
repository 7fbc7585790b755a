# Builds a text file that a program of a package has accepted.
# Run by `busybox sh -e` with the program's arguments; gets $busybox, $loader, $libraryPath, $program, $textPath and $out.
set -u
bb=$busybox

$bb cp "$textPath" "$out"
$bb chmod 0444 "$out"
if ! "$loader" --library-path "$libraryPath" "$program" "$@" "$out" > log 2>&1; then
  echo "error: $program does not accept this file:" >&2
  $bb cat log >&2
  $bb cat -n "$textPath" >&2
  exit 1
fi
