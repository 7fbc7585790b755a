# What the web servers have in common: a page made from the host's variables.
{
  config,
  lib,
  name,
  pkgs,
  ...
}:

let
  page = pkgs.writeTextDir "index.html" ''
    <!doctype html>
    <title>The shop</title>
    <h1>${config.shop.greeting}</h1>
    <p>Served by ${name}.</p>
  '';
in
{
  options.shop.greeting = lib.mkOption {
    type = lib.types.str;
    default = "Welcome to the shop";
    description = "What the page says first.";
  };

  config = {
    services.nginx = {
      enable = true;
      virtualHosts.shop = {
        default = true;
        root = page;
      };
    };

    deployment = {
      tags = [ "web" ];
      healthChecks.page.http = {
        url = "http://localhost/";
        body = name;
      };
    };
  };
}
