# Completion of pristine for zsh, after compinit: eval "$(pristine completion zsh)"
_pristine() {
  local line file=
  local -a values shown suffix
  while IFS= read -r line; do
    case $line in
      :files) file=any ;;
      :directories) file=directories ;;
      :goes-on) suffix=(-S '') ;;
      *)
        values+=("${line%%$'\t'*}")
        if [[ $line == *$'\t'* ]]; then shown+=("${line/$'\t'/  -- }"); else shown+=("$line"); fi ;;
    esac
  done < <("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#values )) && compadd "${(@)suffix}" -l -d shown -a values
  case $file in
    any) _files ;;
    directories) _files -/ ;;
  esac
}
compdef _pristine pristine
