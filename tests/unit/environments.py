"""Environments as verbs find them: a state, a link, and a generation that describes itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rpm_venv import state
from rpm_venv.declaration import Declaration, Package
from rpm_venv.environment import Environment
from rpm_venv.paths import Layout
from rpm_venv.trees.generation import Distribution, Generation

PACKAGE = "app1-1.0-1.noarch"


def make(
    layout: Layout,
    path: str = "/opt/app1/penv",
    distributions: Mapping[str, str] | None = None,
    package: str | None = PACKAGE,
) -> Generation:
    """An environment with these distributions, without their files."""
    wheels = tuple(
        Distribution(name, version, f"{name}-{version}-py3-none-any.whl", f"{n:064x}")
        for n, (name, version) in enumerate((distributions or {}).items(), 1)
    )
    generation = Generation("", path, "/usr/bin/python3", "cpython-311", False, wheels)
    generation = replace(generation, name=generation.decided_name)
    target = layout.generation_target(path, generation.name)
    about = layout.real(target) / ".rpm-venv"
    about.mkdir(parents=True)
    (about / "generation.json").write_bytes(generation.dumps())
    public = layout.real(path)
    public.parent.mkdir(parents=True, exist_ok=True)
    public.symlink_to(target)
    owner = Package.parse(package) if package else None
    declaration = Declaration(path, f"{path}.lock", package=owner)
    state.write(layout, Environment(declaration, wanted=generation.name, kept=(generation.name,)))
    return generation
