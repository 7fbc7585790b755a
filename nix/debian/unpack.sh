# Builds a package: the content of one .deb, merged under usr/, as one store path.
# Run by `busybox sh -e`; gets $busybox, $src (the .deb) and $out.
#
# No maintainer script runs here or anywhere. Set-id bits are not kept (a store has none); see
# `security.wrappers`. Manuals, translations and documentation other than licences are left out.
set -u -o pipefail
umask 022
bb=$busybox

$bb mkdir "$out"
cd "$out"

member=
for candidate in $($bb ar t "$src"); do
  case $candidate in data.tar*) member=$candidate ;; esac
done
case $member in
  data.tar.xz) decompress='xz -dc' ;;
  data.tar.gz) decompress='gzip -dc' ;;
  data.tar) decompress=cat ;;
  *) echo "unpack: $src: no data archive that can be read here (found: '$member'; known: xz, gz, plain)" >&2; exit 1 ;;
esac
$bb ar p "$src" "$member" | $bb $decompress | $bb tar x -o -m --no-same-permissions

# /bin, /sbin, /lib and /lib64 are links into /usr on every host.
for directory in bin sbin lib lib32 lib64 libx32; do
  if [ -h "$directory" ]; then
    $bb rm "$directory"
  elif [ -d "$directory" ]; then
    $bb mkdir -p "usr/$directory"
    $bb cp -a "$directory/." "usr/$directory/"
    $bb rm -r "$directory"
  fi
done

$bb rm -rf usr/share/man usr/share/info usr/share/lintian usr/share/bug usr/share/doc-base usr/share/gtk-doc
if [ -d usr/share/doc ]; then
  $bb find usr/share/doc -type f ! -name copyright -exec $bb rm {} +
fi
if [ -d usr/share/locale ]; then
  $bb find usr/share/locale -name LC_MESSAGES -type d -prune -exec $bb rm -r {} +
fi
for directory in usr/share/doc usr/share/locale; do
  [ ! -d "$directory" ] || $bb find "$directory" -depth -type d -exec $bb rmdir {} + 2>/dev/null || true
done
