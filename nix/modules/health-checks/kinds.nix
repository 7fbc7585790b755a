# The kinds of health checks: what each may be asked, and what it is as data for the programs that run it.
{ lib }:
let
  inherit (lib) filterAttrs mkOption types;

  nullable =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };
  kind = options: description: nullable (types.submodule { inherit options; }) description;

  absolute = types.strMatching "/.*";
  address = types.strMatching "[0-9a-fA-F:.]+";
  headerValue = types.strMatching "[[:print:]]*";

  # A text, or a POSIX extended regular expression that fits a part of it.
  textOr =
    text:
    types.either text (
      types.submodule {
        options.matches = mkOption {
          type = types.nonEmptyStr;
          example = "version [0-9]+";
          description = "A POSIX extended regular expression that some part must fit.";
        };
      }
    );

  amount = types.either types.ints.unsigned (types.strMatching "[0-9]{1,15}[KMGT%]?");
  units = {
    K = 1024;
    M = 1024 * 1024;
    G = 1024 * 1024 * 1024;
    T = 1024 * 1024 * 1024 * 1024;
  };
  # { bytes } or { percent }, of an amount as people write it.
  amountOf =
    value:
    let
      parts = builtins.match "0*([0-9]+)([KMGT%]?)" value;
      number = builtins.fromJSON (builtins.elemAt parts 0);
      unit = builtins.elemAt parts 1;
    in
    if builtins.isInt value then
      { count = value; }
    else if unit == "%" then
      { percent = number; }
    else
      { count = number * (units.${unit} or 1); };
in
{
  inherit amountOf;

  options = {
    http = kind {
      url = mkOption {
        type = types.strMatching "https?://[^]/?#@:[:space:][]+(:[0-9]+)?([/?#][^[:space:]]*)?|https?://\\[[0-9a-fA-F:.]+](:[0-9]+)?([/?#][^[:space:]]*)?";
        example = "http://localhost/";
        description = "What is asked for. Redirections are not followed.";
      };
      method = mkOption {
        type = types.enum [
          "GET"
          "HEAD"
          "OPTIONS"
          "POST"
        ];
        default = "GET";
        description = "The method of the request, which has no body.";
      };
      requestHeaders = mkOption {
        type = types.attrsOf headerValue;
        default = { };
        example = {
          Host = "shop.example.org";
        };
        description = "Headers that are sent.";
      };
      status = nullable (types.ints.between 100 599) "The status the answer must have; null means any of 200 to 399.";
      headers = mkOption {
        type = types.attrsOf (textOr headerValue);
        default = { };
        example = {
          Content-Type.matches = "^text/html";
        };
        description = "Headers the answer must have, each with its whole value or an expression.";
      };
      body = nullable (textOr types.nonEmptyStr) "A text the answer must contain, or an expression that a part of it must fit.";
    } "An HTTP request that must be answered.";

    tcp = kind {
      host = mkOption {
        type = types.nonEmptyStr;
        default = "localhost";
        description = "The name or address to connect to.";
      };
      port = mkOption {
        type = types.ints.between 1 65535;
        description = "The port to connect to.";
      };
    } "A TCP connection that must be accepted.";

    dns = kind {
      name = mkOption {
        type = types.strMatching "[a-zA-Z0-9_.-]+";
        example = "db.example.org";
        description = "The name that must have an address.";
      };
      addresses = mkOption {
        type = types.listOf address;
        default = [ ];
        example = [ "192.0.2.7" ];
        description = "Addresses that must all be among those of the name.";
      };
      server = nullable address "The DNS server to ask; null asks as programs do, `/etc/hosts` included.";
    } "A name that must resolve.";

    unit = mkOption {
      type = types.nullOr (types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.][a-z]+");
      default = null;
      example = "nginx.service";
      description = "A systemd unit that must be active.";
    };

    command = mkOption {
      type = types.nullOr (types.nonEmptyListOf types.str);
      default = null;
      example = [
        "/usr/bin/test"
        "-e"
        "/run/app.sock"
      ];
      description = "A command that must succeed, as a list of words.";
    };

    file = kind {
      path = mkOption {
        type = absolute;
        example = "/var/lib/backup/last";
        description = "The file or directory; links are followed.";
      };
      exists = mkOption {
        type = types.bool;
        default = true;
        description = "Whether it must be there, or must not.";
      };
      mode = nullable (types.strMatching "[0-7]{3,4}") "Its permissions in octal, such as `0640`.";
      user = nullable types.nonEmptyStr "The user it must belong to.";
      group = nullable types.nonEmptyStr "The group it must belong to.";
      contains = nullable (textOr types.nonEmptyStr) "A text within its first MiB, or an expression.";
      maxAge = nullable types.ints.positive "How many seconds ago it may have been written at most.";
    } "A file that must be there, or must not.";

    disk = kind {
      mountPoint = mkOption {
        type = absolute;
        example = "/persist";
        description = "Where a filesystem must be mounted.";
      };
      free = nullable amount "How much must be free: bytes, an amount such as `\"2G\"` (of 1024), or `\"10%\"`.";
      inodes = nullable amount "How many inodes must be free, or which part of them.";
    } "A filesystem that must be mounted and have room.";

    memory = kind {
      available = mkOption {
        type = amount;
        example = "256M";
        description = "How much must be available to programs: bytes, an amount such as `\"256M\"` (of 1024), or `\"10%\"`.";
      };
    } "Memory that must be available.";
  };

  # As the programs read it: without what was not given.
  dataOf =
    {
      kind,
      check,
    }:
    let
      given = filterAttrs (_: value: value != null && value != { } && value != [ ]) check.${kind};
      amounts = names: lib.mapAttrs (_: amountOf) (filterAttrs (name: _: builtins.elem name names) given);
    in
    if kind == "unit" || kind == "command" then
      { ${kind} = check.${kind}; }
    else if kind == "http" then
      (if given.method == "GET" then removeAttrs given [ "method" ] else given)
    else if kind == "disk" || kind == "memory" then
      given
      // amounts [
        "free"
        "inodes"
        "available"
      ]
    else if kind == "dns" then
      # `name` is the check's own.
      removeAttrs given [ "name" ] // { query = given.name; }
    else if kind == "file" then
      removeAttrs given [ "maxAge" ] // lib.optionalAttrs (given ? maxAge) { maxAgeSeconds = given.maxAge; }
    else
      given;
}
