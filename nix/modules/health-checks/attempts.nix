# How often something is asked, and how long each time may take.
{ lib }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    timeout = mkOption {
      type = types.ints.positive;
      default = 5;
      description = "How many seconds one attempt may take.";
    };
    retries = mkOption {
      type = types.ints.unsigned;
      default = 5;
      description = "How many attempts are made after the first.";
    };
    interval = mkOption {
      type = types.ints.positive;
      default = 2;
      description = "Seconds between attempts.";
    };
  };

  # The same as data for the programs that ask.
  dataOf = check: {
    timeoutSeconds = check.timeout;
    inherit (check) retries;
    intervalSeconds = check.interval;
  };
}
