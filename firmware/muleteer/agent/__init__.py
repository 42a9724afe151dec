# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent: one process that notices what appears, decides what it may carry, and has it carried.

Rules: `allowance` and `dispatcher` are pure (values in, decision out) and never do anything; `runner` does one errand
under one cancel scope; `agent` owns the one nursery. trio lives here and in the shell layers only.
"""
