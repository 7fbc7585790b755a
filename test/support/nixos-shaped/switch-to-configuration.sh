#!/bin/sh
# What NixOS's switch-to-configuration does, and in its order: lock, boot loader, checks, units, activation.
out=@out@
action=${1:-}
case $action in
  switch | boot | test | dry-activate) ;;
  *) echo "Usage: $0 [switch|boot|test|dry-activate]" >&2 && exit 1 ;;
esac
[ -e /etc/NIXOS ] || { echo "This is not a NixOS installation!" >&2; exit 1; }
mkdir -p /run/nixos
exec 9>>/run/nixos/switch-to-configuration.lock
flock -n 9 || { echo "Could not acquire lock" >&2; exit 1; }

if [ "${NIXOS_NO_CHECK:-}" != 1 ] && [ "$action" != boot ] &&
  ! cmp -s /run/current-system/switch-inhibitors $out/switch-inhibitors && [ -e $out/switch-inhibitors ]; then
  echo "There are changes to critical components of the system" >&2
  exit 1
fi
case $action in
  switch | boot) $out/install-boot-loader $out || exit 1 ;;
esac
sync
[ "$action" != boot ] || exit 0
if ! cmp -s /run/current-system/init-interface-version $out/init-interface-version; then
  echo "Warning: the new NixOS configuration has an 'init' that is incompatible with the current configuration." >&2
  exit 100
fi

# flag FILE KEY: the last value of a key of a unit file
flag() {
  cat "$1" "$1.d/overrides.conf" 2>/dev/null | sed -n "s/^$2=//p" | tail -n 1
}
is_true() {
  case $1 in yes | true | 1) true ;; *) false ;; esac
}
# Which file and which override: as NixOS compares, by path.
fingerprint() {
  readlink -f "$1"
  [ ! -e "$1.d/overrides.conf" ] || readlink -f "$1.d/overrides.conf"
}
lists=/run/nixos
remember() {
  [ "$action" = dry-activate ] || echo "$2" >>"$lists/$1-list"
}

stop= start=$(cat $lists/start-list 2>/dev/null) restart=$(cat $lists/restart-list 2>/dev/null)
reload=$(cat $lists/reload-list 2>/dev/null) skip= shown_start=$start
for unit in $(systemctl list-units --full --plain --no-legend --state=active,activating | cut -d' ' -f1); do
  base=$unit
  case $unit in *@*) base=${unit%%@*}@.${unit##*.} ;; esac
  old=/etc/systemd/system/$base
  new=$out/etc/systemd/system/$base
  [ -e "$old" ] || continue
  if [ ! -e "$new" ] || [ "$(readlink -f "$new")" = /dev/null ]; then
    value=$(flag "$old" X-StopOnRemoval)
    ! is_true "${value:-yes}" || stop="$stop $unit"
    continue
  fi
  case $unit in
    suspend.target | hibernate.target | hybrid-sleep.target) continue ;;
    *.target)
      is_true "$(flag "$new" RefuseManualStart)" || { start="$start $unit"; remember start "$unit"; }
      ! is_true "$(flag "$new" X-StopOnReconfiguration)" || stop="$stop $unit"
      continue
      ;;
  esac
  [ "$(fingerprint "$old")" != "$(fingerprint "$new")" ] || continue
  value=$(flag "$new" X-RestartIfChanged)
  stop_value=$(flag "$new" X-StopIfChanged)
  case $unit in
    *.mount) reload="$reload $unit"; remember reload "$unit" ;;
    *.socket | *.path | *.slice) ;;
    *)
      if is_true "$(flag "$new" X-ReloadIfChanged)"; then
        reload="$reload $unit"; remember reload "$unit"
      elif ! is_true "${value:-yes}" || is_true "$(flag "$new" RefuseManualStop)"; then
        skip="$skip $unit"
      elif ! is_true "${stop_value:-yes}"; then
        restart="$restart $unit"; remember restart "$unit"
      else
        stop="$stop $unit" start="$start $unit" shown_start="$shown_start $unit"; remember start "$unit"
      fi
      ;;
  esac
done

say() {
  [ -z "$(echo $2)" ] || echo "$1: $(echo $2 | sed 's/ /, /g')" >&2
}
if [ "$action" = dry-activate ]; then
  say "would stop the following units" "$stop"
  say "would NOT stop the following changed units" "$skip"
  say "would restart the following units" "$restart"
  say "would start the following units" "$shown_start"
  say "would reload the following units" "$reload"
  exit 0
fi

result=0
say "stopping the following units" "$stop"
[ -z "$stop" ] || systemctl stop -- $stop
say "NOT restarting the following changed units" "$skip"
echo "activating the configuration..." >&2
$out/activate $out || result=2
# What the activation asks for, of units that nothing else is done to.
for action_of in restart reload; do
  for unit in $(cat "/run/nixos/activation-$action_of-list" 2>/dev/null); do
    case " $stop $start $restart $reload " in *" $unit "*) continue ;; esac
    [ "$action_of" = reload ] || { restart="$restart $unit"; remember restart "$unit"; }
    [ "$action_of" = restart ] || { reload="$reload $unit"; remember reload "$unit"; }
  done
  rm -f "/run/nixos/activation-$action_of-list"
done
if [ "$(readlink -f /proc/1/exe)" != "$(readlink -f $out/systemd/lib/systemd/systemd)" ]; then
  echo "restarting systemd..." >&2
  systemctl daemon-reexec || result=2
fi
systemctl reset-failed
systemctl daemon-reload || result=3
systemd-tmpfiles --create --remove --exclude-prefix=/dev || result=3
say "reloading the following units" "$reload"
[ -z "$reload" ] || systemctl reload -- $reload || result=4
rm -f $lists/reload-list
say "restarting the following units" "$restart"
[ -z "$restart" ] || systemctl restart -- $restart || result=4
rm -f $lists/restart-list
say "starting the following units" "$shown_start"
[ -z "$start" ] || systemctl start -- $start || result=4
rm -f $lists/start-list

failed=$(systemctl list-units --full --plain --no-legend --state=failed | cut -d' ' -f1)
if [ -n "$failed" ]; then
  echo "warning: the following units failed: $failed" >&2
  result=4
fi
exit $result
