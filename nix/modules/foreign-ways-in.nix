# Below /etc: how one gets into a host and becomes root there, and what every program on it starts by.
[
  "ld.so.conf.d"
  "ld.so.preload"
  "pam.d"
  "polkit-1"
  "profile.d"
  "security"
  "ssh"
  "sudoers.d"
  "systemd"
]
