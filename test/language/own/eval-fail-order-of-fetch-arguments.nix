builtins.fetchTarball { unsupported-late = 1; unsupported-early = 2; }
