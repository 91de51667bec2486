"""A generator of showers as the file that Geant4's example Par04 runs without a change.

The example (examples/extended/parameterisations/Par04, read in Geant4 11.4 beta, commit a499fb82) hands its model
"CaloDiT-2" one row of 8 numbers: the particle's kinetic energy [GeV], phi and theta of its direction [rad], and five
flags that name the detector, of which it always sets the first, "Par04SiW". It takes the energies of the voxels back
in GeV, in rings, then angles from -pi, then layers, in a cylinder around the particle's direction.

The example's trigger lets every energy pass, kills the particle, and skips hits that are not above 0.5 keV. NaN is not
above 0.5 keV: a file that answered with NaN would lose the particle's energy, and nobody would know. Infinite energies
would fill its histograms with moments that are NaN. A file of this module therefore stops the run, with the reason as
the name of the node that fails. Energies below the trained range are answered, for particles that arise before the
calorimeter have them in every run; see :class:`Par04Showers`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from simulacra.deploy.drawn_noise import noise_nodes
from simulacra.deploy.onnx import Parity, ParityError, Precision, describe, in_precision, require_exporter, traced
from simulacra.deploy.par04_mesh import Mesh, macro, mesh_of

if TYPE_CHECKING:
    import onnx

    from simulacra.geometry import CalorimeterGeometry

CONTRACT: Final = "par04"
DETECTORS: Final = ("Par04SiW", "Par04SciPb", "ODD", "FCCeeCLD", "new_detector")
COLUMNS: Final = {"energy": "GeV", "phi": "rad", "theta": "rad", **dict.fromkeys(DETECTORS, "1")}
"""The 8 numbers and their units; those of detectors are flags, of which one is 1."""
THETA: Final = (0.87, 2.27)
"""Range of theta on which Par04's own model was trained [rad]; steeper particles are refused."""
CRITICAL_ENERGY: Final = 0.01
"""Energy below which a particle in tungsten makes no shower [GeV]; the critical energy is 8 MeV."""
ABOVE: Final = 1.01
"""Highest energy in units of the highest trained one, which may be a sample's highest and not its simulation's."""


class Par04Showers(nn.Module):
    """Par04's numbers to energies of its voxels [GeV], for a generator that is given the incident energy.

    Below the trained range the shower of the lowest trained energy is scaled to the particle's. Below
    :data:`CRITICAL_ENERGY` all the particle's energy goes to a voxel where it enters. Both keep the energy.

    Parameters
    ----------
    module:
        (noise (N, latent), incident energy (N, 1) [GeV]) -> energies of the cells (N, ...) [MeV].
    low, high:
        trained range of the energy [GeV].
    """

    order: Tensor
    entrance: Tensor

    def __init__(self, module: nn.Module, mesh: Mesh, low: float, high: float) -> None:
        super().__init__()
        self.module, self.latent, self.low, self.high = module, module.latent, low, high
        self.showers_from = min(CRITICAL_ENERGY, low)
        self.shape = (mesh.rings, mesh.angles, mesh.layers)
        self.register_buffer("order", torch.from_numpy(mesh.order.astype(np.int64)))
        self.register_buffer("entrance", (torch.arange(len(mesh.order)) == 0).float())

    def forward(self, noise: Tensor, particles: Tensor) -> Tensor:
        """Map noise (N, latent) and particles (N, 8) to energies (N, rings, angles, layers) [GeV]."""
        energy = particles[:, :1]
        asked = energy.clamp(self.low, self.high)
        cells = self.module(noise, asked).flatten(1)
        voxels = cells[:, self.order] * (energy / asked / 1000.0)
        voxels = torch.where(energy < self.showers_from, energy * self.entrance, voxels)
        return voxels.reshape(-1, *self.shape)


def export_par04(
    module: nn.Module,
    geometry: CalorimeterGeometry,
    energies: tuple[float, float],
    path: Path,
    metadata: dict[str, Any],
    *,
    batch: int | None = None,
    precision: Precision = "float32",
) -> Parity:
    """Write a generator as ONNX for Par04: one input (N, 8), one output (N, rings, angles, layers) [GeV].

    The map from noise and particles to voxels is compared with torch before the file gets its name, and the result is
    in its metadata. The file draws its own noise (:mod:`simulacra.deploy.drawn_noise`). ONNX Runtime stops with an
    error if the energy is negative, not finite or above the trained range, if theta is outside :data:`THETA`, if the
    flags are those of another detector, or if the network's result is not finite.

    Parameters
    ----------
    module:
        (noise (N, latent), incident energy (N, 1) [GeV]) -> energies of the cells (N, cells) [MeV].
    geometry:
        of the cells.
    energies:
        trained range of the incident energy [GeV].
    batch, metadata, precision:
        as in :func:`~simulacra.deploy.onnx.export`.

    Raises
    ------
    ImportError, ParityError
        as :func:`~simulacra.deploy.onnx.export`.
    ValueError
        as there, and if Par04 cannot have the geometry's cells.
    """
    from simulacra.training.checkpoint import write_atomically

    require_exporter()
    mesh = mesh_of(geometry)
    showers = Par04Showers(module.eval(), mesh, *energies)
    rows = _particles(mesh, energies, batch or 256)
    model = traced(showers, len(COLUMNS), batch)
    model, parity, layers = in_precision(model, showers, rows, precision)
    _draw_and_check(model, mesh, showers)
    said = {
        "contract": CONTRACT,
        "conditions": "; ".join(f"{name} {unit}" for name, unit in COLUMNS.items()),
        "flags": " ".join(map(str, mesh.flags)),
        "units": "GeV",
        "impossible_conditions": "error",
        "macro": macro(mesh, geometry, path.name),
    }
    describe(model, {**metadata, **layers, **said}, precision, parity)
    content = model.SerializeToString()
    _try(content, rows, mesh)
    write_atomically(path, content)
    return parity


def _particles(mesh: Mesh, energies: tuple[float, float], n: int) -> np.ndarray:
    """Return particles that the file accepts, (n, 8) float32, a quarter of them below the trained range."""
    rng = np.random.default_rng(0)
    energy = np.where(np.arange(n) % 4 == 3, rng.uniform(0, energies[0], n), rng.uniform(*energies, n))
    angles = [rng.uniform(-math.pi, math.pi, n), rng.uniform(*THETA, n)]
    return np.column_stack([energy, *angles, *np.tile(mesh.flags, (n, 1)).T]).astype(np.float32)


def _draw_and_check(model: onnx.ModelProto, mesh: Mesh, showers: Par04Showers) -> None:
    """Turn the inputs ``noise`` and ``conditions`` of a traced model into the one input ``particles``."""
    from onnx import numpy_helper, parser

    highest = showers.high * ABOVE
    flags = ", ".join(map(str, mesh.flags))
    # The reason for a refusal is the name of a node, for ONNX Runtime says which node failed. A reshape to a wrong size
    # fails in every runtime and on every device: shapes are checked on the host.
    reasons = {
        "checked_energy": f"the energy is negative, not finite or above {highest:g} GeV: the generator was trained on "
        f"{showers.low:g} to {showers.high:g} GeV",
        "checked_direction": f"phi is no angle, or theta is not within {THETA[0]:g} to {THETA[1]:g} rad",
        "conditions": f"the flags of the detector are not [{flags}]: the generator is one of another detector",
        "output": "the energies of the voxels are not finite",
    }
    before = parser.parse_graph("""before (particles) => (conditions) {
        energy = Gather <axis = 1> (particles, first_column)
        phi = Gather <axis = 1> (particles, second_column)
        theta = Gather <axis = 1> (particles, third_column)
        flags = Gather <axis = 1> (particles, flag_columns)

        energy_from = GreaterOrEqual(energy, nothing)
        energy_to = LessOrEqual(energy, highest_energy)
        right_energy = And(energy_from, energy_to)

        phi_size = Abs(phi)
        right_phi = LessOrEqual(phi_size, full_turn)
        theta_from = GreaterOrEqual(theta, lowest_theta)
        theta_to = LessOrEqual(theta, highest_theta)
        in_the_barrel = And(theta_from, theta_to)
        no_shower = Less(energy, critical_energy)
        theta_is_from = GreaterOrEqual(theta, nothing)
        theta_is_to = LessOrEqual(theta, half_turn)
        some_theta = And(theta_is_from, theta_is_to)
        needs_no_direction = And(no_shower, some_theta)
        right_theta = Or(in_the_barrel, needs_no_direction)
        right_direction = And(right_phi, right_theta)

        right_flags = Equal(flags, own_flags)
    }""")
    after = parser.parse_graph("""after (voxels) => (output) {
        voxel_sizes = Abs(voxels)
        finite_voxels = LessOrEqual(voxel_sizes, largest_number)
    }""")
    checks = [
        _check("right_energy", "particles", "checked_energy"),
        _check("right_direction", "checked_energy", "checked_direction"),
        _check("right_flags", "checked_direction", "conditions"),
    ]
    constants = {
        "first_column": np.array([0]),
        "second_column": np.array([1]),
        "third_column": np.array([2]),
        "flag_columns": np.arange(3, 8),
        "nothing": np.float32(0),
        "highest_energy": np.float32(highest),
        "critical_energy": np.float32(showers.showers_from),
        "full_turn": np.float32(6.2832),
        "half_turn": np.float32(3.1416),
        "lowest_theta": np.float32(THETA[0]),
        "highest_theta": np.float32(THETA[1]),
        "own_flags": np.array(mesh.flags, np.float32),
        "largest_number": np.finfo(np.float32).max,
    }
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["voxels" if name == "output" else name for name in node.output]
        node.input[:] = ["voxels" if name == "output" else name for name in node.input]
    nodes, tensors = noise_nodes("conditions", "noise", int(showers.latent))  # type: ignore[arg-type]
    everything = [*before.node, *(node for one in checks for node in one), *nodes, *graph.node]
    everything += [*after.node, *_check("finite_voxels", "voxels", "output")]
    for node in everything:
        if node.output[0] in reasons:
            node.name = reasons[node.output[0]]
    del graph.node[:]
    graph.node.extend(everything)
    graph.initializer.extend(tensors)
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    del graph.value_info[:]
    kept = [one for one in graph.input if one.name == "conditions"]
    kept[0].name = "particles"
    del graph.input[:]
    graph.input.extend(kept)
    graph.name = "simulacra_par04"


def _check(right: str, given: str, passed: str) -> list[onnx.NodeProto]:
    """Return the nodes that pass a tensor on where all of ``right`` is true, and fail otherwise."""
    from onnx import parser

    text = f"""check ({given}) => ({passed}) {{
        {passed}_wrong = Not({right})
        {passed}_wrong_number = Cast <to = 7> ({passed}_wrong)
        {passed}_wrong_sum = ReduceSum <keepdims = 0> ({passed}_wrong_number)
        {passed}_shape = Shape({given})
        {passed}_asked_shape = Add({passed}_shape, {passed}_wrong_sum)
        {passed} = Reshape({given}, {passed}_asked_shape)
    }}"""
    return list(parser.parse_graph(text).node)


def _try(content: bytes, rows: np.ndarray, mesh: Mesh) -> None:
    """Run the finished file once, as Par04 does.

    Raises
    ------
    ParityError
        if it does not run, or makes something other than finite voxels.
    """
    import onnx
    import onnxruntime

    onnx.checker.check_model(onnx.load_from_string(content))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"particles": rows})
    if made.shape[1:] != (mesh.rings, mesh.angles, mesh.layers) or not np.isfinite(made).all():
        raise ParityError(f"the file makes {made.shape}, or not all values are finite: nothing was written")
