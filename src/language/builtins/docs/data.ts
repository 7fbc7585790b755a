/** What is written about the builtins for other notations and hashes, by name and arguments. */

export const DATA_DOCS: Readonly<Record<string, string>> = {
  "convertHash arguments":
    'A hash in another notation: a set with `hash`, `toHashFormat` (`"base16"`, `"nix32"`, `"base64"` or `"sri"`), and `hashAlgo` when the hash does not say it.\n\n```nix\nbuiltins.convertHash {\n  hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";\n  toHashFormat = "base16";\n}\n```',
  "fromJSON string":
    "The value that a JSON text stands for. Objects become sets, and numbers without fraction and exponent integers.",
  "fromTOML string":
    "The set that a TOML text stands for. Dates and times are an error unless the experimental feature `parse-toml-timestamps` is on.",
  "hashString algorithm string":
    'The hash of a string\'s bytes in base 16; the algorithm is `"md5"`, `"sha1"`, `"sha256"` or `"sha512"`.',
  "toJSON value":
    "A value as JSON, evaluated all the way. Paths are copied to the store; a set with `__toString` or `outPath` becomes a string. A function is an error.",
  "toXML value": "A value as XML, evaluated all the way, with places for attributes and functions.",
};
