"""The two stages of precise showers, bound to their representations."""

from pathlib import Path

import pytest
import torch

from simulacra.models.shower_flow import ShowerFlow
from simulacra.models.shower_gan import reflect
from simulacra.systems.showerflow import Settings, Trainer
from simulacra.training.checkpoint import save_model
from simulacra.training.settings import SettingsError
from tiny_calogan import toy_geometry, toy_showers


def trainer(*, reflections: bool = True, moments: int = 16) -> Trainer:
    torch.manual_seed(1)
    settings = Settings(width=16, blocks=1, knots=3, reflections=reflections, moments=moments)
    return Trainer(settings, toy_showers(200))


def test_batches_of_both_stages_are_nearly_standard_normal() -> None:
    # The toy's detector has no mirror symmetry.
    made = trainer(reflections=False, moments=0)
    model: ShowerFlow = made.family.model
    batch = made.tensors(toy_showers(200))
    rng = torch.Generator().manual_seed(2)
    points, context = model.points("sections", batch, rng)
    assert (points.shape, context.shape) == ((200, 21), (200, 1))
    points, context = model.points("cells", batch, rng)
    assert (points.shape, context.shape) == ((200, 40), (200, 22))
    scores = model.axes.inverse(points)
    # 200 scores per cell: the error of a mean is 0.07, of a width 0.05; the largest of 40 is three times that.
    assert float(scores.mean(dim=0).abs().max()) < 0.35
    assert float((scores.std(dim=0) - 1).abs().max()) < 0.35


def test_tables_are_the_same_for_mirrored_cells_so_scores_may_be_mirrored() -> None:
    made = trainer()
    quantiles = made.family.average.cell_shares.quantiles
    nodes = quantiles.quantiles.permute(0, 2, 1).flatten(0, 1)
    for table in (quantiles.empty, nodes):
        for rows, columns in ((True, False), (False, True)):
            masks = (torch.full((len(table),), rows), torch.full((len(table),), columns))
            torch.testing.assert_close(reflect(table, made.showers.geometry, *masks), table, rtol=1e-4, atol=1e-5)
    assert float(quantiles.empty.std(dim=1).min()) > 0.1


def test_cells_sum_to_the_sections_of_the_first_stage() -> None:
    model: ShowerFlow = trainer().family.average
    rng = torch.Generator().manual_seed(3)
    noise, energy = torch.randn(50, model.latent, generator=rng), torch.full((50, 1), 20.0)
    cells = model(noise, energy)
    again = model(torch.cat([noise[:, :21], torch.randn(50, 40, generator=rng)], dim=1), energy)
    assert cells.shape == (50, 40)
    energies = [model.cell_shares.energies(x) for x in (cells, again)]
    torch.testing.assert_close(*energies, rtol=1e-5, atol=1e-3)
    assert not bool((cells == again).all())


def test_the_first_condition_is_the_energy() -> None:
    with pytest.raises(ValueError, match="the first condition must be 'incident_energy'"):
        ShowerFlow(
            toy_geometry(),
            {"impact_x": (-1.0, 1.0)},
            width=4,
            blocks=1,
            knots=2,
            section_steps=1,
            cell_steps=1,
            solver="euler",
        )


def test_a_student_begins_as_its_teacher_and_is_followed_in_fewer_steps(tmp_path: Path) -> None:
    made = trainer()
    settings = {"kind": "showerflow", "width": 16, "blocks": 1, "knots": 3}
    metadata = {"experiment": {"system": settings}, "description": made.description}
    torch.nn.init.normal_(made.family.average.cells.last.weight, std=0.1)
    save_model(tmp_path / "model.safetensors", made.family.average, metadata)
    student = Trainer(
        Settings.model_validate(settings | {"teacher": str(tmp_path), "cell_steps": 1, "solver": "euler"}),
        toy_showers(200),
    )
    taught, learned = made.family.average.state_dict(), student.family.model.state_dict()
    assert all(learned[name].equal(tensor) for name, tensor in taught.items())
    batch = student.tensors(toy_showers(64))
    rng = torch.Generator().manual_seed(1)
    losses = {stage: float(student.family(stage, batch, 0, rng)[0].detach()) for stage in ("sections", "cells")}
    assert losses["cells"] > 1e-4
    assert student.family.average.steps == {"sections": 4, "cells": 1}
    with pytest.raises(SettingsError, match="has other knots than its student"):
        Trainer(Settings.model_validate(settings | {"teacher": str(tmp_path), "knots": 4}), toy_showers(200))
    # A smaller student has the representation, and its sections' network, and begins the cells' anew.
    smaller = Trainer(Settings.model_validate(settings | {"teacher": str(tmp_path), "width": 8}), toy_showers(200))
    begun = smaller.family.model.state_dict()
    same = {name: begun[name].shape == tensor.shape and begun[name].equal(tensor) for name, tensor in taught.items()}
    assert all(same[name] for name in taught if not name.startswith("cells."))
    assert same["cells.variance"]
    assert not same["cells.last.weight"]


def test_validation_is_by_losses_on_the_same_noise() -> None:
    made = trainer()
    events = toy_showers(120, seed=8)
    found = made.validate(events, torch.Generator().manual_seed(4))
    again = made.validate(events, torch.Generator().manual_seed(4))
    assert (found.values, found.replicates) == (again.values, again.replicates)
    stages = [found.values[f"validation/{stage}"] for stage in ("sections", "cells")]
    assert found.values["score"] == pytest.approx(sum(stages) / 2, rel=1e-3)
    # Replicates scatter about the score, by what 120 events leave open.
    assert abs(torch.tensor(found.replicates).mean() - found.values["score"]) < 3 * found.score_error
    assert found.values["shapes"] > 0
    with torch.no_grad():
        for parameter in made.family.average.cells.parameters():
            parameter.add_(0.3)
    assert made.validate(events, torch.Generator().manual_seed(4)).values["score"] > found.values["score"]


def test_an_adapted_model_begins_as_another_in_the_representation_of_its_own_showers(tmp_path: Path) -> None:
    made = trainer()
    settings = {"kind": "showerflow", "width": 16, "blocks": 1, "knots": 3, "moments": 16}
    torch.nn.init.normal_(made.family.average.cells.last.weight, std=0.1)
    save_model(
        tmp_path / "model.safetensors",
        made.family.average,
        {"experiment": {"system": settings}, "description": made.description},
    )
    others = toy_showers(150, seed=9)
    others["shower"] = others["shower"] * 0.5
    adapted = Trainer(Settings.model_validate(settings | {"adapted_from": str(tmp_path)}), others).family.average
    source = made.family.average
    assert adapted.cells.last.weight.equal(source.cells.last.weight)
    assert adapted.axes.axes.equal(source.axes.axes)
    assert not adapted.axes.variance.equal(source.axes.variance)
    assert adapted.cells.variance.equal(adapted.axes.variance)
    assert not adapted.section_energies.quantiles.quantiles.equal(source.section_energies.quantiles.quantiles)
    # Another width: what fits is taken, the rest begins untrained.
    wider = Trainer(
        Settings.model_validate(settings | {"adapted_from": str(tmp_path), "width": 24}), others
    ).family.average
    assert wider.sections.first.weight.equal(source.sections.first.weight)
    assert wider.cells.first.weight.shape == (24, 40)
