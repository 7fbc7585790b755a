# The kit, which deployments leave on a host: a link that only root can move leads to it. A host that was booted and never
# deployed to has none.
"/nix/var/nix/gcroots/pristine/kit/bin/pristine-kit"
