"""Equations as expressions: SymNet, terms and how found ones compare with true ones."""
