# Whoever asks what a file is looks through no links.
builtins.readFileType ./links/directory-link/hello
