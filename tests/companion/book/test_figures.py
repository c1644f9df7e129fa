"""What a ledger says of figures, scales, headlines and trainings: the rules that keep a verdict from saying more
than its evidence, one exact sentence for each breach.
"""

import pytest
from toy_book import edit

from companion.book.ledger import load_ledger
from companion.errors import DocumentError
from companion.evidence.verdict import OWN_VERDICTS

LEDGER = "book/toy/claims.yml"
ORDER, LOSS, HEUN = ("toy.euler.order", "toy.euler.loss", "toy.heun.order")
PAPER = "{value: 1, source: L}"
LOSS_PAPER = "{value: -1.0, source: L}"
FEW = "scale: few}\n      book"
OWN = "{above: 1.5, reason: room, accepted: holds}"


def breaches(root) -> list[str]:
    with pytest.raises(DocumentError) as error:
        load_ledger(root, "toy")
    return [line.partition(", ")[2] for line in error.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "claim", "sentence"),
    [
        (
            PAPER,
            "{value: 1.02, source: L}",
            ORDER,
            "key expect.book: expected a region that the figure claimed, 1.02, lies in, found 1 ± 0.01",
        ),
        (
            LOSS_PAPER,
            "{range: [-1, 0], source: L}",
            LOSS,
            "key expect.smoke: expected a region that the figure claimed, -1 to 0, lies in, found < 0",
        ),
        (
            f"    paper: {LOSS_PAPER}\n",
            "",
            LOSS,
            "key paper: expected the paper's figure, or figure: none with the reason, found nothing",
        ),
        (
            "    origin: ours",
            "    origin: independent",
            HEUN,
            "key independent: expected a third party's figure, or figure: none with the reason, found nothing",
        ),
        (
            LOSS_PAPER,
            "{value: -1, range: [-2, -1], source: L}",
            LOSS,
            "key paper: expected exactly one of value, range and figure: none, found value and range",
        ),
        (
            LOSS_PAPER,
            "{figure: none, source: L}",
            LOSS,
            "key paper.why: expected text that says why there is no figure, found nothing",
        ),
        (
            LOSS_PAPER,
            "{value: -1, why: few digits, source: L}",
            LOSS,
            "key paper.why: expected it only beside figure: none, found it beside value",
        ),
        (
            LOSS_PAPER,
            "{range: [-1, -2], source: L}",
            LOSS,
            "key paper.range: expected a lower end below the upper end, found [-1, -2]",
        ),
        (
            LOSS_PAPER,
            "{value: -1, verified: true, source: L}",
            LOSS,
            "key paper.verified: expected the address of a source that confirms it, found none for L",
        ),
        (LOSS_PAPER, "{value: lower, source: L}", LOSS, "key paper.value: expected a number, found 'lower'"),
        (
            FEW,
            "scale: fwe}\n      book",
            LOSS,
            "key expect.smoke.scale: expected none, or a key of scales (few), found 'fwe'; did you mean 'few'?",
        ),
        (
            f", {FEW}",
            "}\n      book",
            LOSS,
            "key expect.smoke.scale: expected a key of scales, or none for a sentence that has no scale, "
            "found nothing",
        ),
        (
            OWN,
            "{above: 1.5, reason: room, accepted: reproduced}",
            HEUN,
            "key expect.smoke.accepted: expected holds, fails, open for one of the book's own checks, "
            "found 'reproduced'",
        ),
        (
            "half the gain, accepted: reproduced",
            "half the gain, accepted: holds",
            LOSS,
            "key expect.smoke.accepted: expected reproduced, not reproduced, undecided for somebody else's claim, "
            "found 'holds'",
        ),
        (
            "    kind: order\n    page: heun",
            "    kind: order\n    trained: true\n    page: heun",
            HEUN,
            "key expect.smoke.trainings: expected how many trainings the value rests on, since it is trained, "
            "found nothing",
        ),
        (
            OWN,
            "{above: 1.5, reason: room, accepted: holds, trainings: 1}",
            HEUN,
            "key expect.smoke.trainings: expected it only beside trained: true, found it without",
        ),
        (
            OWN,
            "{above: 1.5, reason: room, accepted: holds, trials: 3}",
            HEUN,
            "key expect.smoke.trials: expected it only for claims of kind proportion, found kind order",
        ),
        (
            "    kind: training",
            "    kind: training\n    trained: false",
            LOSS,
            "key trained: expected true, since the kind is training, found false",
        ),
    ],
)
def test_a_breach_is_one_sentence(toy, old, new, claim, sentence):
    edit(toy, LEDGER, old, new)
    assert f"claim {claim}, {sentence}" in breaches(toy)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("toy.headline.better", "toys.headline.better", "key id: expected an id that begins with toy., found "),
        (
            "claims: [toy.euler.loss]",
            "claims: []",
            "key why: expected text that says why no claim decides it, found nothing",
        ),
        (
            "claims: [toy.euler.loss]",
            "claims: [toy.euler.los]",
            "key claims: expected ids of claims of this ledger, found 'toy.euler.los'; did you mean",
        ),
        (
            "claims: [toy.euler.loss]",
            "claims: [toy.heun.order]",
            "key claims: expected claims of the paper, none that holds by construction, found 'toy.heun.order'",
        ),
        (
            "claims: [toy.euler.loss]",
            "claims: [toy.euler.loss], beside: [toy.heun.order]",
            "key beside: expected claims that state their scale, found 'toy.heun.order'",
        ),
    ],
)
def test_a_breach_of_a_headline(toy, old, new, sentence):
    edit(toy, LEDGER, old, new)
    assert any(sentence in line for line in breaches(toy))


def test_a_region_that_the_figure_lies_in_may_be_wide_or_one_sided(toy):
    edit(
        toy, LEDGER, LOSS_PAPER, "{range: [-3, -0.5], text: a half to three nats, verified: true, source: [L, W]}"
    )
    figure = load_ledger(toy, "toy").claim(LOSS).paper
    assert (figure.value, figure.span, figure.verified) == (None, (-3, -0.5), True)


def test_four_kinds_of_figures_and_no_figure(toy):
    edit(
        toy,
        LEDGER,
        f"paper: {LOSS_PAPER}",
        "paper: {figure: none, why: curves only, source: L}\n"
        "    code: {value: -0.7, source: L}\n"
        "    earlier: {value: 0.4, source: L}",
    )
    claim = load_ledger(toy, "toy").claim(LOSS)
    assert list(claim.figures) == ["paper", "code", "earlier"]
    assert (claim.paper.span, claim.paper.why, claim.code.span) == (None, "curves only", (-0.7, -0.7))


def test_what_holds_by_construction_is_the_books_own_whoever_said_it(toy):
    edit(toy, LEDGER, "    where: Table 1", "    where: Table 1\n    construction: A definition.")
    assert f"claim {LOSS}, key expect.smoke.accepted: expected holds, fails, open" in breaches(toy)[0]
    edit(toy, LEDGER, "half the gain, accepted: reproduced, scale: few", "half the gain, accepted: holds")
    edit(toy, LEDGER, "sign, accepted: reproduced, scale: few", "sign, accepted: holds")
    edit(toy, LEDGER, "claims: [toy.euler.loss]", "claims: [toy.euler.order]")
    claim = load_ledger(toy, "toy").claim(LOSS)
    assert (claim.group, claim.words, claim.origin) == ("construction", OWN_VERDICTS, "paper")
