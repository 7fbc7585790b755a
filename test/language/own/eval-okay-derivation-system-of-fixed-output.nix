# The output's path does not follow from what is read back.
(derivation {
  name = "a"; system = "x\\y"; builder = "b";
  outputHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
}).drvPath
