/** What is written about the builtins for strings, by name and arguments. */

export const TEXT_DOCS: Readonly<Record<string, string>> = {
  "compareVersions left right":
    "-1, 0 or 1 as the version `left` is older than, the same as, or newer than `right`. Versions are compared component by component as `builtins.splitVersion` splits them: numbers as numbers, `pre` before everything, other words by their bytes and before numbers.",
  "concatStringsSep separator list": "The strings of a list with the separator between them.",
  "isString value": "Whether the value is a string.",
  "match regex string":
    'The groups of an extended POSIX regular expression that fits the whole string, as a list with null for groups that took no part; null when it does not fit.\n\n```nix\nbuiltins.match "([a-z]+)-([0-9.]+)" "nix-2.34"\n```\n\nis `[ "nix" "2.34" ]`.',
  "parseDrvName string": "Splits `name-version` at the first dash that no letter follows, into `{ name; version; }`.",
  "replaceStrings from to string":
    "Replaces each occurrence of a string of the list `from` by the string at the same index of `to`. The string is walked over once, from the left; where several fit, the first in the list counts. What was put in is not searched again.",
  "split regex string":
    'Splits a string at the matches of an extended POSIX regular expression that do not overlap: a list of the strings between them, and for each match the list of its groups.\n\n```nix\nbuiltins.split "(,)" "a,b"\n```\n\nis `[ "a" [ "," ] "b" ]`.',
  "splitVersion version":
    "The components of a version: runs of digits and runs of other characters, without dots and dashes.",
  "stringLength string": "How many bytes the string has.",
  "substring start length string":
    "At most `length` bytes from the byte `start` on, which counts from 0; everything to the end when `length` is negative. A start behind the end gives the empty string, a negative start is an error.",
  "toString value":
    "A value as a string: strings as they are, paths as their text, numbers in decimal, `true` as `1`, `false` and `null` as nothing, lists as their elements with spaces between. A set needs `__toString` or `outPath`.",
};
