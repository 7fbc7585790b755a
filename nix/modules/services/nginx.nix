# nginx. A changed configuration is tested and then reloaded by the running master; a changed package restarts it.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib)
    attrValues
    concatMapStrings
    concatStrings
    concatStringsSep
    filterAttrs
    mapAttrsToList
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    optionalString
    types
    ;
  cfg = config.services.nginx;

  locationOptions = {
    options = {
      root = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "Directory the files come from.";
      };
      alias = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "Directory that takes the place of the location's path.";
      };
      index = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Files that answer for a directory.";
      };
      tryFiles = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "$uri =404";
        description = "Files tried in order.";
      };
      proxyPass = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "http://backend";
        description = "Server that requests are passed on to.";
      };
      return = mkOption {
        type = types.nullOr (
          types.oneOf [
            types.str
            types.int
          ]
        );
        default = null;
        example = "301 https://example.org$request_uri";
        description = "Fixed answer: a status, with a text or an address.";
      };
      extraConfig = mkOption {
        type = types.lines;
        default = "";
        description = "Further lines of the location.";
      };
      priority = mkOption {
        type = types.int;
        default = 1000;
        description = "Order among the locations of the host; lower comes first.";
      };
    };
  };

  listenOptions = {
    options = {
      addr = mkOption {
        type = types.str;
        default = "0.0.0.0";
        description = "Address; IPv6 ones in brackets.";
      };
      port = mkOption {
        type = types.port;
        default = 80;
        description = "Port.";
      };
      ssl = mkOption {
        type = types.bool;
        default = false;
        description = "Whether TLS is spoken.";
      };
      extraParameters = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Further words of the listen line.";
      };
    };
  };

  virtualHostType = types.submodule (
    { name, ... }:
    {
      options = {
        serverName = mkOption {
          type = types.str;
          default = name;
          description = "The name clients ask for.";
        };
        serverAliases = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Further names.";
        };
        listen = mkOption {
          type = types.listOf (types.submodule listenOptions);
          default = [ ];
          description = "Addresses and ports; empty means `services.nginx.defaultListen`.";
        };
        default = mkOption {
          type = types.bool;
          default = false;
          description = "Whether this host answers for names nobody else has.";
        };
        root = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "Directory the files come from.";
        };
        sslCertificate = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "File with the certificate chain.";
        };
        sslCertificateKey = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "File with the key, on the host; never in the store.";
        };
        locations = mkOption {
          type = types.attrsOf (types.submodule locationOptions);
          default = { };
          description = "What is done with paths.";
        };
        extraConfig = mkOption {
          type = types.lines;
          default = "";
          description = "Further lines of the server block.";
        };
      };
    }
  );

  upstreamType = types.submodule {
    options = {
      servers = mkOption {
        type = types.attrsOf (
          types.submodule {
            freeformType = types.attrsOf (
              types.oneOf [
                types.bool
                types.int
                types.str
              ]
            );
            options.backup = mkOption {
              type = types.bool;
              default = false;
              description = "Whether it is used only when the others fail.";
            };
          }
        );
        default = { };
        example = {
          "192.0.2.11:80" = { };
        };
        description = "The servers, by address.";
      };
      extraConfig = mkOption {
        type = types.lines;
        default = "";
        description = "Further lines of the upstream block.";
      };
    };
  };

  indent = prefix: text: concatStrings (map (line: optionalString (line != "") "${prefix}${line}\n") (lib.splitString "\n" text));
  line = key: value: optionalString (value != null) "${key} ${toString value};\n";

  locationText =
    path: location:
    "location ${path} {\n"
    + indent "  " (
      line "root" location.root
      + line "alias" location.alias
      + line "index" location.index
      + line "try_files" location.tryFiles
      + line "proxy_pass" location.proxyPass
      + optionalString (location.proxyPass != null && cfg.recommendedProxySettings) ''
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $host;
      ''
      + line "return" location.return
      + location.extraConfig
    )
    + "}\n";

  listenText =
    host: listen:
    "listen ${listen.addr}:${toString listen.port}${
      concatStrings (map (word: " ${word}") (
        lib.optional host.default "default_server" ++ lib.optional listen.ssl "ssl" ++ listen.extraParameters
      ))
    };\n";

  listensOf = host: if host.listen != [ ] then host.listen else cfg.defaultListen;

  serverText =
    host:
    "server {\n"
    + indent "  " (
      concatMapStrings (listenText host) (listensOf host)
      + "server_name ${concatStringsSep " " ([ host.serverName ] ++ host.serverAliases)};\n"
      + line "root" host.root
      + line "ssl_certificate" host.sslCertificate
      + line "ssl_certificate_key" host.sslCertificateKey
      + concatMapStrings (entry: locationText entry.name entry.value) (
        lib.sortOn (entry: entry.value.priority) (lib.attrsToList host.locations)
      )
      + host.extraConfig
    )
    + "}\n";

  upstreamServer =
    address: parameters:
    "server ${address}${
      concatStrings (
        mapAttrsToList (
          key: value: if value == true then " ${key}" else if value == false then "" else " ${key}=${toString value}"
        ) parameters
      )
    };\n";

  upstreamText =
    name: upstream:
    "upstream ${name} {\n"
    + indent "  " (concatStrings (mapAttrsToList upstreamServer upstream.servers) + upstream.extraConfig)
    + "}\n";

  configText = ''
    # Made from services.nginx.
    user ${cfg.user} ${cfg.group};
    worker_processes ${toString cfg.workerProcesses};
    pid /run/nginx/nginx.pid;
    error_log ${cfg.logError};
  ''
  + "events {\n${indent "  " cfg.eventsConfig}}\n"
  + "http {\n"
  + indent "  " (
    ''
      include /etc/nginx/mime.types;
      default_type application/octet-stream;
      client_body_temp_path /var/cache/nginx/client_body;
      proxy_temp_path /var/cache/nginx/proxy;
      fastcgi_temp_path /var/cache/nginx/fastcgi;
      uwsgi_temp_path /var/cache/nginx/uwsgi;
      scgi_temp_path /var/cache/nginx/scgi;
    ''
    # Requests are logged only when asked for: a log in memory must not grow for ever.
    + optionalString (!lib.hasInfix "access_log" cfg.commonHttpConfig) "access_log off;\n"
    + "server_tokens ${if cfg.serverTokens then "on" else "off"};\n"
    + "client_max_body_size ${cfg.clientMaxBodySize};\n"
    + optionalString cfg.recommendedOptimisation ''
      sendfile on;
      tcp_nopush on;
      tcp_nodelay on;
      keepalive_timeout 65;
    ''
    + optionalString cfg.recommendedGzipSettings ''
      gzip on;
      gzip_proxied any;
      gzip_vary on;
      gzip_types text/plain text/css text/javascript application/javascript application/json application/xml image/svg+xml;
    ''
    + optionalString cfg.recommendedTlsSettings ''
      ssl_protocols TLSv1.2 TLSv1.3;
      ssl_session_timeout 1d;
      ssl_session_cache shared:TLS:10m;
      ssl_session_tickets off;
      ssl_prefer_server_ciphers off;
    ''
    + optionalString cfg.recommendedProxySettings ''
      proxy_redirect off;
      proxy_connect_timeout ${cfg.proxyTimeout};
      proxy_send_timeout ${cfg.proxyTimeout};
      proxy_read_timeout ${cfg.proxyTimeout};
    ''
    + cfg.commonHttpConfig
    + concatStrings (mapAttrsToList upstreamText cfg.upstreams)
    + concatMapStrings serverText (attrValues cfg.virtualHosts)
    + cfg.appendHttpConfig
  )
  + "}\n"
  + cfg.appendConfig;
in
{
  options.services.nginx = {
    enable = mkEnableOption "nginx, a web server and reverse proxy";
    package = mkOption {
      type = types.package;
      default = pkgs.nginx;
      defaultText = lib.literalExpression "pkgs.nginx";
      description = "The package of the server.";
    };
    user = mkOption {
      type = types.str;
      default = "www-data";
      description = "User of the worker processes.";
    };
    group = mkOption {
      type = types.str;
      default = "www-data";
      description = "Group of the worker processes.";
    };
    workerProcesses = mkOption {
      type = types.either types.ints.positive (types.enum [ "auto" ]);
      default = 1;
      description = "How many processes answer requests.";
    };
    virtualHosts = mkOption {
      type = types.attrsOf virtualHostType;
      default = { };
      description = "Web sites, by name.";
    };
    upstreams = mkOption {
      type = types.attrsOf upstreamType;
      default = { };
      description = "Groups of servers that requests are spread over.";
    };
    defaultListen = mkOption {
      type = types.listOf (types.submodule listenOptions);
      default = [ { } ];
      description = "Where sites listen that do not say it.";
    };
    logError = mkOption {
      type = types.str;
      default = "stderr";
      description = "Where errors go; stderr is the journal.";
    };
    serverTokens = mkOption {
      type = types.bool;
      default = false;
      description = "Whether answers tell nginx's version.";
    };
    clientMaxBodySize = mkOption {
      type = types.str;
      default = "10m";
      description = "Largest request.";
    };
    proxyTimeout = mkOption {
      type = types.str;
      default = "60s";
      description = "How long to wait for a server behind a proxy.";
    };
    recommendedOptimisation = mkEnableOption "settings that send files efficiently";
    recommendedGzipSettings = mkEnableOption "compression of what compresses well";
    recommendedTlsSettings = mkEnableOption "current TLS settings";
    recommendedProxySettings = mkEnableOption "headers and timeouts that servers behind a proxy expect";
    eventsConfig = mkOption {
      type = types.lines;
      default = "worker_connections 1024;";
      description = "Lines of the events block.";
    };
    commonHttpConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Lines of the http block before the sites.";
    };
    appendHttpConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Lines of the http block after the sites.";
    };
    appendConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Lines after the http block.";
    };
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.etc."nginx/nginx.conf".text = configText;

    systemd.services.nginx = {
      description = "Web server and reverse proxy";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      stopIfChanged = false;
      reloadTriggers = [ configText ];
      restartTriggers = map (p: "${p}") (pkgs.pristine.closureOf [ cfg.package ]);
      serviceConfig = {
        Type = "forking";
        PIDFile = "/run/nginx/nginx.pid";
        ExecStartPre = "/usr/sbin/nginx -e stderr -t -q";
        ExecStart = "/usr/sbin/nginx -e stderr";
        ExecReload = [
          "/usr/sbin/nginx -e stderr -t -q"
          "/usr/bin/kill -HUP $MAINPID"
        ];
        KillSignal = "SIGQUIT";
        KillMode = "mixed";
        TimeoutStopSec = 5;
        Restart = "on-failure";
        RuntimeDirectory = "nginx";
        CacheDirectory = "nginx";
        PrivateTmp = true;
        ProtectSystem = "full";
        ProtectHome = true;
        NoNewPrivileges = true;
        RestrictSUIDSGID = true;
        ProtectKernelModules = true;
        ProtectControlGroups = true;
      };
    };
  };
}
