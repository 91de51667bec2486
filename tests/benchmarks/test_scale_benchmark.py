"""The showers of ``benchmarks.scale``, and its tables."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from simulacra.events import make_events, variable
from simulacra.geometry import CalorimeterGeometry
from simulacra.store import Chunk, write_events

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.documents import scale as tables

from benchmarks import scale


def test_images_are_other_showers_with_the_same_rings_and_energies(tmp_path: Path) -> None:
    geometry = CalorimeterGeometry.load("calochallenge-3")
    rng = np.random.default_rng(1)
    cells = (rng.exponential(size=(3, geometry.n_cells)) * (rng.random((3, geometry.n_cells)) < 0.02)).astype("f4")
    events = make_events(
        {
            "shower": variable(cells, "cell", units="MeV", long_name="energy", role="feature"),
            "active": variable(cells, "cell", units="MeV", long_name="energy in silicon", role="feature"),
            "incident_energy": variable(np.ones(3, "f4"), units="GeV", long_name="energy", role="condition"),
        },
        simulator="toy",
        simulator_version="1",
        seed=1,
        settings={},
        seconds_per_event=1.0,
        particle="e-",
        geometry=geometry.to_json(),
    )
    write_events(events, tmp_path / "showers.zarr")
    images = scale.Images(tmp_path / "showers.zarr")(Chunk(0, 0, 300))
    assert images["event"].values.tolist() == list(range(300))
    made = images["shower"].values.reshape(100, 3, scale.SECTIONS, scale.ALPHA_BINS, scale.RINGS)
    np.testing.assert_array_equal(made[0].reshape(3, -1), cells)
    assert len(np.unique(made.reshape(300, -1), axis=0)) == 300
    # sums over alpha, a symmetry of the detector, stay
    np.testing.assert_allclose(made.sum(axis=3), np.broadcast_to(made[0].sum(axis=2), (100, 3, 45, 18)), rtol=1e-5)


def test_tables_say_what_was_measured() -> None:
    stage = {"seconds": 90.0, "cpu_seconds": 80.0, "peak_bytes": 2 * 2**30}
    size = {"bytes": 1.6e8, "store_bytes": 2.5e7, "generate": stage}
    measured: dict[str, Any] = {
        "geant4": {"showers": 10, "cpu_seconds": [0.35, 0.36, 0.37], "store_bytes": 1000.0},
        "calo-eplus, onnx": {"showers": 10, "cpu_seconds": [1e-4, 1.1e-4, 0.9e-4], "store_bytes": 500.0},
    }
    found = {"scale": {"sizes": {"1000": size}, "campaign": {"measured": measured}}}
    assert "| 1,000 | 0.16 GB (0.025) | – | 1.3 min, 2.0 GiB, 12/s | – |" in tables.sizes(found)
    rows = tables.campaign(found).splitlines()
    assert rows[2].startswith("| Geant4 | 360 ± 6 ms | 1,000,000 ± ")
    assert rows[3].startswith("| `calo-eplus` (ONNX) | 0.100 ± 0.006 ms | 278 ± 16 |")
    assert "| 5 TB |" in rows[3]
