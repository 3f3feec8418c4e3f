# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One way of delivering: the workflow, its checks and the GitOps tree that a repository is given, and what has drifted from them. Pure."""
