"""Adversarial training as a differential game: threats, attacks, YOPO, its rivals, and audits."""

from contdepth.robust.apgd import APGD, APGDTargeted
from contdepth.robust.ascent import Ascent, compare_ascents
from contdepth.robust.attacks import FGSM, PGD, NoAttack, RandomNoise, accuracy
from contdepth.robust.audit import Audit, audit
from contdepth.robust.baselines import FGSMRS, NFGSM, FreeTraining, PGDTraining, SummedPGD
from contdepth.robust.cut import Cut
from contdepth.robust.inner_loop import InnerLoop
from contdepth.robust.loop import Trained, train
from contdepth.robust.method import Method, Natural, Step
from contdepth.robust.square import Square
from contdepth.robust.threat import Threat
from contdepth.robust.trades import TRADES, TRADESYOPO
from contdepth.robust.yopo import YOPO

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
    "audit",
    "compare_ascents",
    "train",
]
