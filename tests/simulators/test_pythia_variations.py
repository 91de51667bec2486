"""Variations: read, spelled as Pythia spells them, and refused where Pythia would keep silent."""

import pytest

from simulacra.simulators.pythia_variations import Variation, variation_lines


def test_variations_become_pythias_lists() -> None:
    texts = [
        "alphaS_up fsr:murfac=0.5 isr:muRfac=0.5",
        "soft frag:alund=0.8",
        "gluons fsr:G2GG:muRfac=2",
        "s frag:rho=.3",
    ]
    assert variation_lines(map(Variation.parse, texts)) == [
        "UncertaintyBands:doVariations = on",
        "UncertaintyBands:List = {alphaS_up fsr:muRfac=0.5 isr:muRfac=0.5, gluons fsr:G2GG:muRfac=2.0}",
        "VariationFrag:List = {soft frag:aLund=0.8, s frag:rho=0.3}",
    ]
    assert variation_lines([]) == []
    assert Variation.parse("s frag:rho=.3").of_shower is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("up", "is a name and keywords with values"),
        ("", "is a name and keywords with values"),
        ("fsr:muRfac=0.5", "is a name and keywords with values"),
        ("a,b fsr:muRfac=0.5", "is a name and keywords with values"),
        ("up fsr:muRfact=0.5", "no keyword 'fsr:muRfact'; there are fsr:muRfac"),
        ("up fsr:muRfac", "needs a number, not ''"),
        ("up fsr:muRfac=half", "needs a number, not 'half'"),
        ("up fsr:muRfac=0", "must be above 0, not 0"),
        ("up fsr:muRfac=nan", "must be above 0, not nan"),
        ("up frag:aLund=inf", "must be finite, not inf"),
        ("up frag:rho=0.2 frag:rho=0.3", "given twice"),
        ("up frag:rho=0.2 fsr:muRfac=2", "mixes shower and fragmentation"),
    ],
)
def test_bad_variations_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Variation.parse(text)
