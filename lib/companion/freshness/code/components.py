"""Strongly connected components of a directed graph, after Tarjan (1972), without recursion."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TypeVar

__all__ = ["components"]

T = TypeVar("T")


def components(start: Iterable[T], follow: Callable[[T], list[T]], known: Container[T]) -> Iterator[list[T]]:
    """Yield the components that ``start`` reaches, each after all those that it leads to.

    Args:
        start: nodes to begin with.
        follow: the nodes to which a node leads.
        known: nodes that are left out; may grow while the components are taken.
    """
    number: dict[T, int] = {}
    low: dict[T, int] = {}
    stack: list[T] = []
    waiting: set[T] = set()
    for root in start:
        if root in number or root in known:
            continue
        work = [(root, iter(follow(root)))]
        number[root] = low[root] = len(number)
        stack.append(root)
        waiting.add(root)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other in known:
                    continue
                if other not in number:
                    number[other] = low[other] = len(number)
                    stack.append(other)
                    waiting.add(other)
                    work.append((other, iter(follow(other))))
                    break
                if other in waiting:
                    low[node] = min(low[node], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    group: list[T] = []
                    while not group or group[-1] != node:
                        group.append(stack.pop())
                        waiting.discard(group[-1])
                    yield group
