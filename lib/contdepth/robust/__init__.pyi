from .amplification import amplification_bound, jacobian_norm
from .attacks.apgd import APGD, APGDTargeted
from .attacks.audit import Audit, audit
from .attacks.pgd import FGSM, PGD, NoAttack, RandomNoise, accuracy
from .attacks.square import Square
from .inner import inner_steps_plain
from .methods.baselines import FGSMRS, NFGSM, FreeTraining, PGDTraining, SummedPGD
from .methods.loop import Trained, train
from .methods.method import Method, Natural, Step
from .methods.trades import TRADES, TRADESYOPO
from .threat import Threat
from .yopo.ascent import Ascent, compare_ascents
from .yopo.cost import count_forwards, first_layer_share, limit, multiply_adds, pgd_cost, yopo_cost
from .yopo.cut import Cut
from .yopo.fused import inner_steps_fused
from .yopo.inner_loop import InnerLoop
from .yopo.yopo import YOPO

__all__ = [
    "APGD",
    "FGSM",
    "FGSMRS",
    "NFGSM",
    "PGD",
    "TRADES",
    "TRADESYOPO",
    "YOPO",
    "APGDTargeted",
    "Ascent",
    "Audit",
    "Cut",
    "FreeTraining",
    "InnerLoop",
    "Method",
    "Natural",
    "NoAttack",
    "PGDTraining",
    "RandomNoise",
    "Square",
    "Step",
    "SummedPGD",
    "Threat",
    "Trained",
    "accuracy",
    "amplification_bound",
    "audit",
    "compare_ascents",
    "count_forwards",
    "first_layer_share",
    "inner_steps_fused",
    "inner_steps_plain",
    "jacobian_norm",
    "limit",
    "multiply_adds",
    "pgd_cost",
    "train",
    "yopo_cost",
]
