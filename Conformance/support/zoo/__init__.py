# SPDX-License-Identifier: Apache-2.0
"""The parts of Conformance/zoo: processes, peers, items, the matrix. The peers' own programs are in peers/."""
