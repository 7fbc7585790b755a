# Completion of pristine for fish: pristine completion fish | source
function __pristine_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
    switch $line
      case :files
        __fish_complete_path "$current"
      case :directories
        __fish_complete_directories "$current"
      case :goes-on
      case '*'
        echo $line
    end
  end
end
complete -c pristine -f -a '(__pristine_complete)'
