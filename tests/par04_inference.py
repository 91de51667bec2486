"""What Geant4's example Par04 (11.4 beta, commit a499fb82) does with an ONNX file, written anew."""

from pathlib import Path
from typing import Any

import numpy as np

GEOMETRY = """
name = "coarse"
kind = "cylindrical"
lateral_size = 400.0
absorber = { material = "G4_W", thickness = 1.4 }
active = { material = "G4_Si", thickness = 0.3 }

[[sections]]
repeat = 3
name = "layer"
layers = 10
alpha_bins = 4
r_edges = [0.0, 4.65, 9.3]
"""
KEPT = 0.0005
"""Energy above which the example makes a hit [MeV]."""


class Par04Inference:
    """The example's inference: its session, its vector of 8 numbers, its loop over voxels and its places of hits."""

    def __init__(self, path: Path, mesh: tuple[int, int, int], ring: float, layer: float) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # the errors are exceptions too
        # Its macros leave optimisation off.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._mesh, self._ring, self._layer = mesh, ring, layer

    def energies(self, energy: float, phi: float = 1.0, theta: float = np.pi / 2, flag: int = 3) -> np.ndarray:
        """Return the energies of a particle [MeV] in the voxels, as it counts them; ``energy`` in MeV."""
        vector = np.zeros(8, np.float32)
        vector[0], vector[1], vector[2], vector[flag] = energy / 1000, phi, theta, 1.0
        # The last input and all outputs, by the names that the file gives them; of the outputs it reads the first.
        (*_, name) = (one.name for one in self._session.get_inputs())
        outputs = [one.name for one in self._session.get_outputs()]
        flat = self._session.run(outputs, {name: vector.reshape(1, 8)})[0].ravel()
        size = int(np.prod(self._mesh))
        made = np.array([float(flat[i]) for i in range(size)])
        return made * 1000

    def hits(self, *particle: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return energies [MeV] and places [mm] of the hits of a particle that flies along z from the origin."""
        energies = self.energies(*particle, **options)
        return energies[energies > KEPT], self.places()[energies > KEPT]

    def places(self) -> np.ndarray:
        """Return the places of the voxels' centres [mm], (voxels, 3)."""
        rings, angles, layers = self._mesh
        places = []
        for ring in range(rings):
            for angle in range(angles):
                for layer in range(layers):
                    r, alpha = (ring + 0.5) * self._ring, (angle + 0.5) * 2 * np.pi / angles - np.pi
                    places.append((r * np.cos(alpha), r * np.sin(alpha), (layer + 0.5) * self._layer))
        return np.array(places)
