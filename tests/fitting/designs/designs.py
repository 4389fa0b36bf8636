"""All designs and all wrong models, by family: one place that the table-driven suites read."""

import importlib

from design_contract import Design, Wrong

from charz.fitting import FAMILIES


def _of(experiment: str) -> tuple[dict[str, Design], list[Wrong]]:
    module = importlib.import_module(f"design_{experiment}")
    return module.DESIGNS, module.WRONG


DESIGNS: dict[str, dict[str, Design]] = {name: _of(name)[0] for name in FAMILIES}
WRONG: dict[str, list[Wrong]] = {name: _of(name)[1] for name in FAMILIES}
