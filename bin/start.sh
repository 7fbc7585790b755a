# Read by the programs of this directory: starts `program` of the bundle; `bin` is where this file lies.
if [ ! -f "$bin/../dist/$program.cjs" ]; then
  root=$(cd -P "$bin/.." && pwd)
  echo "pristine: dist/ is missing; run 'npm ci' (or 'npm run build') in $root" >&2
  exit 1
fi
. "$bin/find-node.sh"
# Downloads go through a proxy when the environment names one.
proxy=${http_proxy-}${https_proxy-}${HTTP_PROXY-}${HTTPS_PROXY-}
# What evaluates does so in its first thread when that has a deep stack. V8 believes what it is told of the stack's
# size, so it is told only what the system has granted, less what other code and the arguments take.
# The heap's limit is for src/system/heap.ts to see that before it is reached.
case ${PRISTINE_HEAP_MB-} in
  '' | 0* | *[!0-9]* | ? | ?? | ??????????*) heap=8192 ;;
  *) heap=$PRISTINE_HEAP_MB ;;
esac
case "$program $*" in
  nix-store" "*) ;;
  nix*" "* | "cli "*eval*)
    if ulimit -S -s 286720 2>/dev/null; then
      exec "$node" ${proxy:+--use-env-proxy} --disable-warning=ExperimentalWarning --stack-size=262144 --no-opt \
        --min-semi-space-size=2 --max-semi-space-size=32 --semi-space-growth-factor=4 \
        --max-old-space-size=$((heap * 7 / 5)) "$bin/../dist/$program.cjs" "$@"
    fi
    ;;
esac
exec "$node" ${proxy:+--use-env-proxy} --disable-warning=ExperimentalWarning "$bin/../dist/$program.cjs" "$@"
