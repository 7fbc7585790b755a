# Packages from Debian: one store path per .deb, exactly as the lock file names them, and the builders that assemble
# hosts from them.
#
#   lock          pristine.lock, as a path or as the value read from it
#   lockDir       the directory the lock lies in (the bootstrap tools lie beside it)
#   architecture  Debian's name of the architecture
#   stub          instead of a lock: { <name> = <version>; … }. Such packages have names and versions but no contents;
#                 `pristine lock` evaluates a fleet with them to learn which packages it names.
{
  lock ? null,
  lockDir ? null,
  architecture ? "amd64",
  stub ? null,
}:

let
  architectures = import ./architectures.nix;
  platform =
    architectures.${architecture}
      or (throw "Debian architecture '${architecture}' is not supported; supported: ${toString (builtins.attrNames architectures)}");
  inherit (platform) system triplet loader;

  locked =
    if stub != null then
      null
    else if builtins.isAttrs lock then
      lock
    else
      builtins.fromJSON (builtins.readFile lock);

  table =
    if stub != null then
      stub
    else
      locked.architectures.${architecture}
        or (throw "the lock has no packages for architecture '${architecture}'; run 'pristine lock'");

  # What a store path's name may not contain becomes a dash.
  sanitise = builtins.replaceStrings [ "~" ":" "%" "/" " " ] [ "-" "-" "-" "-" "-" ];
  withoutEpoch =
    version:
    let
      parts = builtins.match "[0-9]+:(.*)" version;
    in
    if parts == null then version else builtins.head parts;

  baseNameOf' = path: sanitise (baseNameOf path);

  ignored = import ./ignored-dependencies.nix;

  # The first tool: a static busybox, taken from its verified package when locking. A directory, because busybox
  # chooses what it is by the name it is called by.
  bootstrap =
    let
      tools =
        locked.bootstrap.${architecture}
          or (throw "the lock has no bootstrap tools for architecture '${architecture}'; run 'pristine lock'");
    in
    builtins.path {
      name = "pristine-bootstrap";
      path = lockDir + "/${tools.path}";
      sha256 = tools.narHash;
    };
  busybox = "${bootstrap}/busybox";

  fetch =
    entry:
    let
      source = builtins.elemAt locked.sources entry.source;
    in
    derivation {
      name = baseNameOf' entry.filename;
      system = "builtin";
      builder = "builtin:fetchurl";
      url = "${source.uri}/${entry.filename}";
      urls = [ "${source.uri}/${entry.filename}" ];
      outputHashMode = "flat";
      outputHashAlgo = "sha256";
      outputHash = entry.sha256;
      executable = false;
      unpack = false;
      preferLocalBuild = true;
      impureEnvVars = [
        "http_proxy"
        "https_proxy"
        "ftp_proxy"
        "all_proxy"
        "no_proxy"
      ];
    };

  unpack =
    pname: entry:
    derivation {
      name = sanitise "${pname}-${withoutEpoch entry.version}";
      inherit system busybox;
      builder = busybox;
      args = [
        "sh"
        "-e"
        ./unpack.sh
      ];
      src = fetch entry;
    };

  packageOf =
    pname: entry:
    unpack pname entry
    // {
      inherit pname;
      version = withoutEpoch entry.version;
      debianVersion = entry.version;
      debianDepends = builtins.filter (
        name: !(builtins.elem name ignored.everywhere || builtins.elem name (ignored.of.${pname} or [ ]))
      ) entry.depends;
      installedSize = entry.installedSize * 1024;
    };

  stubOf = pname: version: {
    type = "derivation";
    name = sanitise "${pname}-${withoutEpoch version}";
    inherit pname system;
    version = withoutEpoch version;
    debianVersion = version;
    debianDepends = [ ];
    outPath = "/stub/${pname}";
    outputName = "out";
    drvPath = throw "package '${pname}' is a stub: it can be named, not built";
  };

  packages = builtins.mapAttrs (if stub != null then stubOf else packageOf) table;

  package =
    name:
    packages.${name}
      or (throw "Debian package '${name}' is not in the lock; run 'pristine lock', which adds what the fleet names");

  nameOf = p: if builtins.isString p then p else p.pname;

  # The packages named and everything they depend on, sorted by name.
  closureOf =
    roots:
    let
      found = builtins.genericClosure {
        startSet = map (p: { key = nameOf p; }) roots;
        operator = item: map (key: { inherit key; }) (package item.key).debianDepends;
      };
      names = builtins.attrNames (
        builtins.listToAttrs (
          map (item: {
            name = item.key;
            value = null;
          }) found
        )
      );
    in
    map package names;

  # Files as store paths.
  writeFile =
    mode: name: text:
    derivation {
      name = sanitise name;
      inherit system busybox text;
      builder = busybox;
      args = [
        "sh"
        "-e"
        "-c"
        ''$busybox cp "$textPath" "$out"; $busybox chmod ${mode} "$out"''
      ];
      passAsFile = [ "text" ];
      preferLocalBuild = true;
    };

  # A directory with one file.
  writeTextDir =
    path: text:
    derivation {
      name = sanitise (baseNameOf path);
      inherit
        system
        busybox
        path
        text
        ;
      builder = busybox;
      args = [
        "sh"
        "-e"
        "-c"
        ''$busybox mkdir -p "$out/$($busybox dirname "$path")"; $busybox cp "$textPath" "$out/$path"''
      ];
      passAsFile = [ "text" ];
      preferLocalBuild = true;
    };
  writeText = writeFile "0444";
  writeScript = writeFile "0555";

  # Runs one of our scripts in Debian's QuickJS, started through its own loader. `manifest` reaches it as JSON.
  builders = builtins.path {
    name = "pristine-builders";
    path = ./builders;
  };
  libraries = "${package "libc6"}/usr/lib/${triplet}";
  runScript =
    {
      name,
      script,
      manifest,
    }:
    derivation {
      name = sanitise name;
      inherit system;
      builder = "${libraries}/${loader}";
      args = [
        "--library-path"
        libraries
        "${package "quickjs"}/usr/bin/qjs"
        "--module"
        "${builders}/${script}"
      ];
      manifest = builtins.toJSON manifest;
      passAsFile = [ "manifest" ];
      preferLocalBuild = true;
    };

  # A text that a program of a package must accept, or the build fails: `arguments` come before the file's name.
  checkedText =
    {
      name,
      text,
      packages ? [ ],
      program,
      arguments ? [ ],
      # Directories of libraries besides the usual one.
      libraryDirectories ? [ ],
    }:
    derivation {
      name = sanitise name;
      inherit
        system
        busybox
        program
        text
        ;
      builder = busybox;
      args = [
        "sh"
        "-e"
        ./check-text.sh
      ]
      ++ arguments;
      loader = "${libraries}/${loader}";
      libraryPath = builtins.concatStringsSep ":" (
        map (p: "${p}/usr/lib/${triplet}") (closureOf packages) ++ libraryDirectories
      );
      passAsFile = [ "text" ];
    };

  # One tree of links into packages: the host's /usr.
  makeUsr =
    {
      name ? "usr",
      paths,
      alternatives ? import ./alternatives.nix,
    }:
    runScript {
      inherit name;
      script = "usr.js";
      manifest = {
        inherit alternatives;
        # Licences stay in the packages; every host has those of what it uses.
        leftOut = [
          "games"
          "include"
          "share/doc"
          "src"
        ];
        foldBelow = [
          "lib/${triplet}"
          "share"
        ];
        packages = map (p: "${p}") paths;
      };
    };

  # A host's system: complete etc/, usr, init, meta.json. Files of `etc` win over what packages bring in theirs.
  # Where neither /usr nor the boot is ours there is the `engine`, and nothing of these.
  makeSystem =
    {
      host,
      etc,
      usr ? null,
      init ? null,
      engine ? null,
      meta,
      packages ? [ ],
      withoutEtc ? import ./left-out-of-etc.nix,
    }:
    runScript {
      name = "system-${host}";
      script = "system.js";
      manifest = {
        inherit
          etc
          init
          meta
          withoutEtc
          ;
        usr = if usr == null then null else "${usr}";
        packages = map (p: "${p}") packages;
      }
      // (if engine == null then { } else { engine = "${engine}"; });
    };

  libraryPathOf = paths: builtins.concatStringsSep ":" (map (p: "${p}/usr/lib/${triplet}") paths);

  # The words that start a package's program wherever there is a store.
  commandOf = name: program: [
    "${libraries}/${loader}"
    "--library-path"
    (libraryPathOf (closureOf [ name ]))
    "${package name}/usr/bin/${program}"
  ];

  # On hosts that have no store: Nix, and what makes a machine of theirs take our units.
  foreignEngine =
    let
      closure = closureOf [ "nix-bin" ];
    in
    derivation {
      name = "pristine-engine";
      inherit system busybox;
      builder = busybox;
      args = [
        "sh"
        "-e"
        ./foreign/engine.sh
      ];
      loader = "${libraries}/${loader}";
      libraryPath = libraryPathOf closure;
      nix = package "nix-bin";
      generator = ./foreign/generator.sh;
      bootUnit = ./foreign/pristine-boot.service;
      meta = builtins.toJSON (
        import ./foreign/empty-meta.nix
        // {
          version = 1;
          base = "foreign";
          host = "bootstrap";
          fleet = "bootstrap";
          inherit system;
          suite = if stub != null then "stub" else locked.suite;
          packages = [ ];
          sshPort = 22;
          healthChecks = [ ];
          confirmTimeoutSeconds = 60;
          keepGenerations = 10;
        }
      );
      passAsFile = [ "meta" ];
    };

  # The root of a service's files, on hosts whose /usr is not ours.
  makeRoot =
    {
      name,
      paths,
      # Of the host's /etc: what we put there, and what services see of the rest.
      declared,
      hostFiles,
    }:
    derivation {
      name = "root-${sanitise name}";
      inherit
        system
        busybox
        declared
        hostFiles
        ;
      builder = busybox;
      args = [
        "sh"
        "-e"
        ./foreign/root.sh
      ];
      packages = map (p: "${p}") paths;
      leftOut = import ./left-out-of-etc.nix;
      usr = makeUsr {
        name = "usr-${name}";
        inherit paths;
      };
    };

  # What the transaction runs on: QuickJS with its own C library. A path of its own, which stays the same when our
  # program changes, as it does with each version: hosts have it already.
  kitRuntime = derivation {
    name = "kit-runtime";
    inherit system busybox loader libraries;
    builder = busybox;
    args = [
      "sh"
      "-e"
      ./kit-runtime.sh
    ];
    qjs = "${package "quickjs"}/usr/bin/qjs";
  };

  makeKit =
    { kitJs }:
    derivation {
      name = "pristine-kit";
      inherit system busybox loader;
      runtime = kitRuntime;
      builder = busybox;
      args = [
        "sh"
        "-e"
        ./kit.sh
      ];
      kitJs = builtins.path {
        name = "kit.js";
        path = kitJs;
      };
    };

  # What ca-certificates' maintainer script would have made: every trusted certificate in one file.
  caBundle = runScript {
    name = "ca-certificates.crt";
    script = "ca-bundle.js";
    manifest = {
      certificates = "${package "ca-certificates"}/usr/share/ca-certificates";
    };
  };
in
packages
// {
  # Under nixpkgs' names too; no Debian package's name has a capital letter.
  inherit writeText writeTextDir writeScript;

  pristine = {
    inherit
      writeText
      writeTextDir
      writeScript
      checkedText
      architecture
      system
      triplet
      package
      packages
      closureOf
      commandOf
      makeUsr
      makeSystem
      makeRoot
      foreignEngine
      kitRuntime
      makeKit
      caBundle
      busybox
      ;
    suite = if stub != null then "stub" else locked.suite;
    isStub = stub != null;
    # What the builders and the kit are made of: always part of a lock.
    toolNames = [
      "libc6"
      "quickjs"
    ];
  };
}
