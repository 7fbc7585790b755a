# Completion of pristine for bash: eval "$(pristine completion bash)"
_pristine() {
  # Bash takes words apart at characters that are part of ours, such as : and =; it replaces only what is behind the last.
  local -a words
  local line value kept IFS=$' \t\n'
  read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
  [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
  local current=${words[-1]}
  # What breaks words, but for an @, which stays in the word.
  kept=${current%"${current##*[$COMP_WORDBREAKS]}"}
  kept=${kept%@}
  COMPREPLY=()
  while IFS= read -r line; do
    value=${line%%$'\t'*}
    case $line in
      :files) compopt -o default 2>/dev/null ;;
      :directories) compopt -o dirnames 2>/dev/null ;;
      :goes-on) compopt -o nospace 2>/dev/null ;;
      *) COMPREPLY+=("${value#"$kept"}") ;;
    esac
  done < <("$1" complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _pristine pristine
