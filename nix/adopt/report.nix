# What became of an option of another tool, for people and programs.
{ lib }:
let
  note = serves: option: value: here: {
    inherit
      option
      value
      here
      serves
      ;
  };
in
rec {
  # It has the same meaning here, by the option named.
  same = note "yes";
  # It is understood, and something else happens.
  differs = note "otherwise";
  # Nothing here does what it asks for.
  unserved = note "no";

  # The notes of options that do not have their defaults. `table` has, by the option's name, its default and a function
  # that makes a note of its name and value.
  ofOptions =
    table: values:
    lib.concatLists (
      lib.mapAttrsToList (
        option:
        {
          default,
          note,
        }:
        let
          value = values.${option} or default;
        in
        lib.optional (value != default) (note option value)
      ) table
    );

  becomes = default: here: {
    inherit default;
    note = option: value: same option value here;
  };
  changes = default: here: {
    inherit default;
    note = option: value: differs option value here;
  };
}
