# Users and groups that have the same number on every Debian, by their names.
{ lib }: lib.mapAttrs (_: lib.filterAttrs (_: number: number <= 100 || number == 65534)) (import ./ids.nix)
