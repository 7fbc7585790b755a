# Keys bring units with them: these are Colmena's.
_:
{
  network.nixpkgs = ../../support/nixpkgs-shaped;
  web =
    { config, ... }:
    {
      deployment.keys = {
        token.keyCommand = [
          "pass"
          "token"
        ];
        certificate = {
          text = "secret";
          destDir = "/var/keys";
          user = "nginx";
          permissions = "0440";
          uploadAt = "post-activation";
        };
      };
      environment.etc.token = config.deployment.keys.token.path;
    };
  db.networking.hostName = "db";
}
