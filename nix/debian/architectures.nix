# Debian's architectures that hosts can have, and what Nix and the C library call them.
{
  amd64 = {
    system = "x86_64-linux";
    triplet = "x86_64-linux-gnu";
    loader = "ld-linux-x86-64.so.2";
  };
  arm64 = {
    system = "aarch64-linux";
    triplet = "aarch64-linux-gnu";
    loader = "ld-linux-aarch64.so.1";
  };
}
