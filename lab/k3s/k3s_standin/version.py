"""Which release of K3s this executable is; the packer writes this file anew for each release of the mirror."""

VERSION = "v1.20.2+k3s1"
# What the Kubernetes programs beside it were compiled as.
BUILT = "v1.20.2+k3s1"
