# What update-alternatives and other maintainer scripts would have linked in /usr: the first candidate that is there.
{
  "bin/awk" = [
    "gawk"
    "mawk"
    "original-awk"
  ];
  "bin/sh" = [
    "dash"
    "bash"
  ];
  "bin/which" = [ "which.debianutils" ];
  "bin/pager" = [
    "less"
    "more"
  ];
  "bin/editor" = [
    "vim.basic"
    "vim.tiny"
    "nano"
  ];
  "bin/vi" = [
    "vim.basic"
    "vim.tiny"
  ];
  "bin/vim" = [
    "vim.basic"
    "vim.tiny"
  ];
  "bin/view" = [
    "vim.basic"
    "vim.tiny"
  ];
  "bin/nc" = [
    "nc.openbsd"
    "nc.traditional"
  ];
  "bin/pinentry" = [ "pinentry-curses" ];
}
