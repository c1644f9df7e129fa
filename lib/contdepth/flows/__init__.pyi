from .transport import Carried, Transport, draw_probes, exact_probes

__all__ = ["Carried", "Transport", "draw_probes", "exact_probes"]
