#!/bin/sh
# The lab's own install.sh: it keeps the contract of K3s' one as far as k3s_install_method: script and K3s' documents use it.
# It never downloads: the binary is there first, and INSTALL_K3S_SKIP_DOWNLOAD says so.
#
# usage: [VARIABLE=VALUE...] install.sh [server|agent] [FLAG...]
#   INSTALL_K3S_EXEC           command and flags of the service, before the arguments; a lone flag means server, with K3S_URL agent
#   INSTALL_K3S_SKIP_DOWNLOAD  must be true
#   INSTALL_K3S_SKIP_ENABLE    true: the service is neither enabled nor started
#   INSTALL_K3S_SKIP_START     true: the service is enabled, not started
#   INSTALL_K3S_SYMLINK        skip: no links; force: over what is there; else where the host has no such command
#   INSTALL_K3S_BIN_DIR        /usr/local/bin
#   INSTALL_K3S_SYSTEMD_DIR    /etc/systemd/system
#   K3S_*, CONTAINERD_*, *_PROXY  go into the service's environment file
set -eu

info() { echo "[INFO]  $*"; }
fatal() { echo "[ERROR]  $*" >&2; exit 1; }

# INSTALL_K3S_EXEC and the arguments, a word a line; xargs reads quotes as a shell does and expands nothing.
words() {
  printf '%s\n' "${INSTALL_K3S_EXEC:-}" | xargs -r printf '%s\n' || return 1
  [ $# -eq 0 ] || printf '%s\n' "$@"
}

# A word a line, quoted for systemd, in one line.
quoted() { sed '/^$/d; s/[\\"]/\\&/g; s/.*/ "&"/' | tr -d '\n'; }

write_links() {
  [ "${INSTALL_K3S_SYMLINK:-}" != skip ] || return 0
  for tool in kubectl crictl ctr; do
    if [ "${INSTALL_K3S_SYMLINK:-}" = force ] || ! command -v "$tool" >/dev/null; then
      ln -sf k3s "$bin_dir/$tool"
    fi
  done
}

# Both scripts begin with the places that they are for; what follows is the same everywhere.
write_script() {
  {
    cat <<PLACES
#!/bin/sh
# Written by the lab's install.sh.
unit='$unit'
bin_dir='$bin_dir'
systemd_dir='$systemd_dir'
data_dir=\${K3S_DATA_DIR:-/var/lib/rancher/k3s}
[ "\$(id -u)" -eq 0 ] || { echo "run it as root" >&2; exit 1; }
PLACES
    cat
  } >"$1"
  chmod 0755 "$1"
}

write_killall() {
  write_script "$bin_dir/k3s-killall.sh" <<'SCRIPT'
for file in "$systemd_dir"/k3s*.service; do
  [ ! -s "$file" ] || systemctl stop "${file##*/}"
done
# Containers outlive the service: every process in a pod, then the shims.
for shim in $(pgrep -f 'containerd-shim.*/run/k3s/containerd'); do
  pkill -KILL -P "$shim"
  kill -KILL "$shim"
done
while read -r _ mount _; do
  case $mount in
    /run/k3s/* | "$data_dir"/* | /var/lib/kubelet/* | /run/netns/cni-*) echo "$mount" ;;
  esac
done </proc/self/mounts | sort -r | xargs -r -n 1 umount --lazy
ip netns list | sed -n 's/^\(cni-[^ ]*\).*/\1/p' | xargs -r -n 1 ip netns delete
ip -4 route show root 10.42.0.0/16 | sed 's/ .*//' | xargs -r -n 1 ip route delete
for family in iptables ip6tables; do
  ! rules=$("$family-save") || printf '%s\n' "$rules" | grep -Ev 'KUBE-|CNI-|FLANNEL-' | "$family-restore"
done
exit 0
SCRIPT
}

write_uninstall() {
  write_script "$bin_dir/$unit-uninstall.sh" <<'SCRIPT'
"$bin_dir/k3s-killall.sh"
systemctl disable "$unit"
rm -f "$systemd_dir/$unit.service" "$systemd_dir/$unit.service.env" "$bin_dir/$unit-uninstall.sh"
systemctl daemon-reload
for file in "$systemd_dir"/k3s*.service; do
  if [ -e "$file" ]; then
    echo "${file##*/} is there too: K3s itself stays"
    exit 0
  fi
done
for tool in kubectl crictl ctr; do
  [ "$(readlink "$bin_dir/$tool")" != k3s ] || rm -f "$bin_dir/$tool"
done
rm -rf /etc/rancher/k3s /run/k3s /run/flannel /var/lib/cni
# The folders may be mounts.
find "$data_dir" /var/lib/kubelet -mindepth 1 -delete
rm -f "$bin_dir/k3s" "$bin_dir/k3s-killall.sh"
SCRIPT
}

# The file may hold the token: nobody else reads it, not even while it is written.
write_environment() {
  (
    umask 077
    env | grep -E '^(K3S|CONTAINERD)_|^(NO|HTTP|HTTPS|no|http|https)_(PROXY|proxy)=' >"$systemd_dir/$unit.service.env" || true
  )
}

write_unit() {
  cat >"$systemd_dir/$unit.service" <<UNIT
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-$systemd_dir/$unit.service.env
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$bin_dir/k3s $role$flags
UNIT
}

[ "$(id -u)" -eq 0 ] || fatal "run it as root"
command -v systemctl >/dev/null || fatal "there is no systemd to run k3s"
[ "${INSTALL_K3S_SKIP_DOWNLOAD:-}" = true ] || fatal "INSTALL_K3S_SKIP_DOWNLOAD: set it to true; the lab's install.sh downloads nothing"
bin_dir=${INSTALL_K3S_BIN_DIR:-/usr/local/bin}
systemd_dir=${INSTALL_K3S_SYSTEMD_DIR:-/etc/systemd/system}
[ -x "$bin_dir/k3s" ] || fatal "there is no executable $bin_dir/k3s"
case ${K3S_URL:-https://} in
  https://*) ;;
  *) fatal "K3S_URL: it must begin with https://" ;;
esac

all=$(words "$@") || fatal "INSTALL_K3S_EXEC: its quotes do not match"
case $all in
  -* | "")
    role=server
    [ -z "${K3S_URL:-}" ] || role=agent
    [ -z "${K3S_URL:-}" ] || [ -n "${K3S_TOKEN:-}${K3S_TOKEN_FILE:-}" ] || fatal "K3S_URL is set and neither K3S_TOKEN nor K3S_TOKEN_FILE is"
    flags=$(printf '%s\n' "$all" | quoted)
    ;;
  *)
    role=$(printf '%s\n' "$all" | sed -n 1p)
    flags=$(printf '%s\n' "$all" | sed 1d | quoted)
    ;;
esac
case $role in
  server) unit=k3s ;;
  agent) unit=k3s-agent ;;
  *) fatal "INSTALL_K3S_EXEC: it begins with server, agent or a flag, not with $role" ;;
esac

write_links
write_killall
write_uninstall
systemctl disable "$unit" >/dev/null 2>&1 || true # there may be none yet
rm -f "$systemd_dir/$unit.service" "$systemd_dir/$unit.service.env"
write_environment
write_unit
info "$systemd_dir/$unit.service is written"
[ "${INSTALL_K3S_SKIP_ENABLE:-}" != true ] || exit 0
systemctl enable "$systemd_dir/$unit.service" >/dev/null
systemctl daemon-reload
[ "${INSTALL_K3S_SKIP_START:-}" != true ] || exit 0
systemctl restart "$unit"
