/** What `:?` prints. */

export const REPL_HELP = `A line is an expression, whose value is printed, or a definition:

  EXPR                      print the value; sets and lists one level deep
  NAME = EXPR               define a variable; also 'inherit (SET) NAME', and several with ';' between

An expression that is not complete goes on in the next line. Commands:

  :p, :print EXPR           print all of the value; a string as it is
  :t EXPR                   say what the value is
  :doc EXPR                 show what is written about a function or attribute
  :e, :edit EXPR            open its place in $EDITOR, then load files again
  :a, :add EXPR             make the attributes of a set variables
  :l, :load FILE            the same with the set that a file is
  :lf, :load-flake REF      the same with the outputs of a flake
  :ll, :last-loaded         list the variables that were made last
  :r, :reload               load all files again; other variables are forgotten
  :b EXPR                   build a derivation
  :bl EXPR                  build it, and link its outputs as ./repl-result-NAME
  :log EXPR                 show the log of its last build
  :te, :trace-enable [BOOL] show errors with or without all frames
  :?, :help                 show this
  :q, :quit                 leave, as Ctrl-D does

Tab completes, Ctrl-C ends an evaluation that takes too long.
`;
