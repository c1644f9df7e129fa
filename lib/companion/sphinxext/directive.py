"""The common base of the book's directives: what is wrong is said at the directive's place."""

from __future__ import annotations

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

__all__ = ["CompanionDirective"]

logger = logging.getLogger(__name__)


class CompanionDirective(SphinxDirective):
    """A directive that warns in sentences."""

    def warn(self, sentence: str) -> None:
        """Log a warning at the directive's place."""
        logger.warning("{%s}: %s", self.name, sentence, location=self.get_location(), type="companion")

    def refused(self, sentence: str) -> list[nodes.Node]:
        """Warn, and return the nothing that is shown then."""
        self.warn(sentence)
        return []
