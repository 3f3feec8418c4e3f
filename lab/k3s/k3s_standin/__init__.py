"""The lab's stand-in for the k3s executable; see ../README.md for what it keeps of K3s' contract."""
