#!/bin/sh
# What GRUB does, before stage 2 of whatever it boots: it reads its menu from the disk, and forgets the entry of one boot
# before it boots that. A host without a menu boots what it was started with.
menu=/persist/root/boot/grub/grub.cfg
environment=/persist/root/boot/grub/grubenv

# init_of TITLES: what the entry boots that is called so, from the outermost menu inwards; the first one's without titles
init_of() {
  titles=
  while read -r word rest; do
    case $word in
      submenu | menuentry)
        rest=${rest#\"}
        titles=${titles:+$titles>}${rest%%\"*}
        ;;
      "}")
        case $titles in
          *">"*) titles=${titles%>*} ;;
          *) titles= ;;
        esac
        ;;
      linux)
        [ -z "$1" ] || [ "$1" = "$titles" ] || continue
        for word in $rest; do
          case $word in
            init=*) echo "${word#init=}" && return ;;
          esac
        done
        ;;
    esac
  done <"$menu"
}

if [ -z "${grub_is_done:-}" ] && [ -e "$menu" ]; then
  next=$(sed -n 's/^next_entry=//p' "$environment" 2>/dev/null)
  if [ -n "$next" ]; then
    { sed '/^next_entry=/d; s/##*$//' "$environment" | sed '1s/.*/# GRUB Environment Block/'; printf %1024s | tr ' ' '#'; } |
      head -c 1024 >"$environment.new"
    cat "$environment.new" >"$environment" && rm "$environment.new" && sync "$environment"
  fi
  init=$(init_of "$next")
  [ -n "$init" ] || init=$(init_of)
  system=${init%/init}
  export grub_is_done=1
  ln -sfn "${system#/}" /system.new && mv -T /system.new /system
  exec "$init" "$@"
fi
unset grub_is_done

