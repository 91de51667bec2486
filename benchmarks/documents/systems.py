"""The table of docs/systems.md: each system with its paper, model, page, and a number beside a published one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.documents import calochallenge
from benchmarks.tables import table

from simulacra.wording import with_error

Found = Mapping[str, Any]


def _row(found: Found, room: str, stage: str, model: str) -> Mapping[str, Any]:
    return next(row for row in found[room][stage]["rows"] if row["model"] == model)


def _of(room: str, stage: str, model: str, name: str, what: str) -> Callable[[Found], str]:
    """Return a number of a benchmark with that of truth against truth."""

    def write(found: Found) -> str:
        one = next(one for one in _row(found, room, stage, model)["judged"] if one["name"] == name)
        ours, truth = with_error(one["value"], one["error"]), with_error(one["truth"], one["truth_error"])
        return f"{what} {ours}; truth against truth {truth}"

    return write


def _exact(room: str, stage: str, model: str, name: str, what: str) -> Callable[[Found], str]:
    """Return a number that is compared with an exact one."""

    def write(found: Found) -> str:
        one = next(one for one in _row(found, room, stage, model)["judged"] if one["name"] == name)
        return f"{what} {with_error(one['value'], one['error'])}"

    return write


def _showers(weights: str) -> Callable[[Found], str]:
    def write(found: Found) -> str:
        models = [model for there in found["showers"]["particles"].values() for model in there["models"]]
        one = next(m for m in models if m["weights"] == weights and m["refiner"] is None)
        auc = one["auc"]["low_level"]
        return f"AUC on cells {with_error(auc['auc'], auc['error'])}, {one['milliseconds']['100']['median']:.3f} ms"

    return write


def _calogan(found: Found) -> str:
    ours = found["timing"]["generators"][0]["milliseconds"]["1024"]["median"]
    times = round(found["timing"]["geant4"]["milliseconds"] / ours, -2)
    return f"{_showers('calogan-eplus')(found)}; {times:,.0f} times Geant4, batch 1024"


#: papers, shipped models, page, our number, the published one with its source
ROWS: Final[tuple[tuple[str, str, str, str, Callable[[Found], str], str], ...]] = (
    (
        "`showerflow`",
        "CaloFlow and flow matching, distilled",
        "`calo-eplus`, `calo-gamma`, `calo-eplus-angle`, `calo-gamma-angle`",
        "[showers](showers.md)",
        _showers("calo-gamma"),
        "0.626, 2.8 ms: CaloINN, photons of another detector ([2410.21611](https://arxiv.org/abs/2410.21611))",
    ),
    (
        "`cylinderflow`",
        "flow matching with the symmetry of a cylinder, for [2410.21611](https://arxiv.org/abs/2410.21611)",
        "`calochallenge-electrons`",
        "[CaloChallenge](calochallenge.md#electrons-of-1-to-100-gev)",
        calochallenge.short,
        "0.743, 0.865, 60 ms: CaloINN; 0.708, 0.737, 121 ms: L2LFlows; to 1 TeV, on 100,000 showers",
    ),
    (
        "`calogan`",
        "CaloGAN, [1712.10321](https://arxiv.org/abs/1712.10321)",
        "`calogan-eplus`, `calogan-gamma`, `calogan-eplus-angle`",
        "[CaloGAN](calogan.md)",
        _calogan,
        "870 times Geant4 on its processor ([speed](speed.md)); no AUC",
    ),
    (
        "`lagan`",
        "LAGAN, [1701.05927](https://arxiv.org/abs/1701.05927)",
        "`jet-images-lagan`, `muon-images-lagan`",
        "[images](jet_images.md)",
        _of("jets", "images", "jet-images-lagan", "AUC, trees on observables", "AUC on observables"),
        "none of this kind",
    ),
    (
        "`sarm`",
        "SARM, [2009.14017](https://arxiv.org/abs/2009.14017)",
        "`jet-images-sarm`, `muon-images-sarm`",
        "[images](jet_images.md#sarm)",
        _of("jets", "images", "muon-images-sarm", "AUC, trees on observables", "muons, AUC on observables"),
        "24 to 52 % (jets), 66 to 68 % (muons) smaller W₁ than its rivals (abstract)",
    ),
    (
        "`mpgan`",
        "MPGAN, [2106.11535](https://arxiv.org/abs/2106.11535)",
        "`jets-mpgan`",
        "[jets](jets.md#message-passing)",
        _of("jets", "clouds", "jets-mpgan", "top quark: W1 of mass [1e-3]", "top, W₁ of mass 10⁻³ ×"),
        "0.6 ± 0.2, truth 0.51 ± 0.07, on JetNet's jets (tables of [a thesis](https://github.com/rkansal47/dissertation))",
    ),
    (
        "`epic`",
        "EPiC-GAN as flow matching, [2310.00049](https://arxiv.org/abs/2310.00049)",
        "`jets-epic`, `jets-epic-fast`",
        "[jets](jets.md#equivariant-pooling)",
        _of("jets", "clouds", "jets-epic", "top quark: W1 of mass [1e-3]", "top, W₁ of mass 10⁻³ ×"),
        "not read; claims the best of its time",
    ),
    (
        "`pile_up`",
        "pile-up GANs, [1912.02748](https://arxiv.org/abs/1912.02748)",
        "`pile-up-minimum-bias`",
        "[pile-up](pile_up.md)",
        _of("jets", "pile-up", "pile-up-minimum-bias", "W1 of rho [GeV], mean 50", "W₁ of ρ [GeV]"),
        "none readable",
    ),
    (
        "`jet_mass_template`",
        "QCD templates, [1903.02556](https://arxiv.org/abs/1903.02556)",
        "`qcd-jet-mass`",
        "[QCD templates](qcd_templates.md)",
        _of("jets", "templates", "qcd-jet-mass", "W1 of the jet mass, two-jet events [GeV]", "W₁ of the mass [GeV]"),
        "none public",
    ),
    (
        "`parton_shower`",
        "white-box shower, [2012.06582](https://arxiv.org/abs/2012.06582)",
        "`parton-shower-dglap`, `parton-shower-pythia`",
        "[parton shower](parton_shower.md)",
        _of("jets", "parton-shower", "parton-shower-dglap", "W1 of log z of splittings, 250 GeV", "W₁ of log z"),
        "none; shows that the splitting function is found",
    ),
    (
        "`trenf`",
        "TRENF, [2202.05282](https://arxiv.org/abs/2202.05282)",
        "`lognormal-fields`, `nbody-density`",
        "[fields](fields.md)",
        _exact(
            "sky",
            "fields",
            "lognormal-fields",
            "variance of ln A over the exact fit's",
            "variance of fits of ln A over the exact likelihood's",
        ),
        "saturates the Fisher information of Gaussian fields (abstract)",
    ),
    (
        "`multiscale_field`",
        "Multiscale Flow, [2306.04689](https://arxiv.org/abs/2306.04689)",
        "`nbody-density-multiscale`",
        "[fields](fields.md#from-coarse-to-fine)",
        _exact(
            "sky",
            "multiscale",
            "multiscale gaussian fields",
            "absolute difference of log-likelihoods a pixel [1e-3]",
            "log-likelihood a pixel off the exact one by 10⁻³ ×",
        ),
        "none of this kind",
    ),
    (
        "`variable_star`",
        "PELS-VAE, [2005.07773](https://arxiv.org/abs/2005.07773)",
        "`cepheids-vae`",
        "[variable stars](variable_stars.md)",
        _of("sky", "stars", "cepheids-vae", "W1 of φ₂₁ [rad]", "W₁ of φ₂₁ [rad]"),
        "none; shows its latent space and curves",
    ),
    (
        "`via_machinae`",
        "Via Machinae, [2104.12789](https://arxiv.org/abs/2104.12789)",
        "`gd1-via-machinae`",
        "[stellar streams](stellar_streams.md)",
        _exact("sky", "streams", "GD-1, photometry, flows", "purity of candidates [%]", "GD-1, purity [%]"),
        "56 ([2305.03761](https://arxiv.org/abs/2305.03761)), 75.4 ([2405.12131](https://arxiv.org/abs/2405.12131))",
    ),
    (
        "`field_vae`, `field_flow`",
        "dust VAE, [2101.11181](https://arxiv.org/abs/2101.11181)",
        "`dust-vae`, `dust-flow`",
        "[dust](dust.md)",
        _of("sky", "dust", "dust-vae", "Minkowski functionals [%]", "Minkowski functionals [%]"),
        "no scalar",
    ),
)


def systems(found: Found) -> str:
    """Return a row for each system that makes events or scores."""
    heads = ("system, page", "paper", "shipped", "measured here", "published")
    rows = [(f"{row[0]}: {row[3]}", row[1], row[2], row[4](found), row[5]) for row in ROWS]
    return table(heads, rows)
