"""requirements.lock: one for every supported Python, each file with its hash, and no index."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SUMS = [line.split("  ") for line in (ROOT / "infra/torch-cpu.sha256").read_text().splitlines()]
PYTHONS = ["3.11", "3.12", "3.13"]


def locked(text: str) -> dict[str, list[tuple[Requirement, set[str]]]]:
    """Pins with their hashes, by package."""
    found: dict[str, list[tuple[Requirement, set[str]]]] = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        pin = Requirement(block.partition("\\")[0].strip())
        found.setdefault(canonicalize_name(pin.name), []).append(
            (pin, set(re.findall(r"--hash=sha256:([0-9a-f]{64})", block)))
        )
    return found


def asked(*words: str) -> dict[str, list[tuple[Requirement, set[str]]]]:
    """What infra/locked.py prints."""
    command = [sys.executable, str(ROOT / "infra/locked.py"), *words]
    return locked(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def environment(python: str) -> dict[str, str]:
    """Linux on x86-64 with this Python, as markers see it."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def test_every_pin_is_exact_and_carries_hashes() -> None:
    """No range, no URL, no pin without a hash, and no option line: nothing names an index."""
    assert not [
        line for line in LOCK.splitlines() if not re.match(r"[a-z0-9]|    --hash=sha256:[0-9a-f]{64}( \\)?$", line)
    ]
    assert "://" not in LOCK
    for pins in locked(LOCK).values():
        for pin, hashes in pins:
            assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), pin
            assert hashes, pin


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_meets_every_requirement_on_every_python(python: str) -> None:
    """For each Python exactly one pin of every named package applies, and it lies within the floors and caps."""
    pins = locked(LOCK)
    named = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    for requirement in map(Requirement, named):
        applies = [
            pin
            for pin, _ in pins[canonicalize_name(requirement.name)]
            if pin.marker is None or pin.marker.evaluate(environment(python))
        ]
        assert len(applies) == 1, (python, requirement.name)
        assert requirement.specifier.contains(str(applies[0].specifier)[2:], prereleases=True), requirement


def test_the_supported_pythons_are_said_alike_everywhere() -> None:
    """requires-python, the classifiers and the installer name the same versions."""
    said = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python ::" in name]
    searched = re.search(r"^versions=\((.*)\)$", (ROOT / "infra/find_python.sh").read_text(), flags=re.M)

    assert said == PYTHONS
    assert searched is not None
    assert sorted(searched[1].split()) == PYTHONS
    assert PROJECT["requires-python"] == ">=3.11,<3.14"


def test_the_cpu_build_of_torch_is_pinned_beside_pypis() -> None:
    """torch's pin holds the sums of the CPU wheels of every supported Python on both kinds of machine."""
    ((pin, hashes),) = locked(LOCK)["torch"]
    version = str(pin.specifier)[2:]
    wheels = {
        f"torch-{version}+cpu-cp{python.replace('.', '')}-cp{python.replace('.', '')}-manylinux_2_28_{machine}.whl"
        for python in PYTHONS
        for machine in ("x86_64", "aarch64")
    }

    assert {name for _, name in SUMS} == wheels
    assert {digest for digest, _ in SUMS} < hashes


def test_an_installation_asks_for_what_the_project_names() -> None:
    """The roots are the requirements of the asked extras with their own extras, pinned and hashed as in the lock."""
    found = asked("serve", "train", "dev")

    names = [
        *PROJECT["dependencies"],
        *(line for extra in ("serve", "train", "dev") for line in PROJECT["optional-dependencies"][extra]),
    ]
    assert set(found) == {canonicalize_name(Requirement(line).name) for line in names}
    assert found["dvc"][0][0].extras == {"s3"}
    assert "transformers" not in found
    assert all(hashes == locked(LOCK)[name][i][1] for name, pins in found.items() for i, (_, hashes) in enumerate(pins))
    assert set(asked()) == set(locked(LOCK))


def test_the_cpu_build_is_asked_for_by_its_version() -> None:
    """With --cpu torch's pin ends in +cpu, here and among the constraints; nothing else changes."""
    for words in ((), ("train",)):
        plain, cpu = asked(*words), asked(*words, "--cpu")

        assert str(cpu.pop("torch")[0][0].specifier) == str(plain.pop("torch")[0][0].specifier) + "+cpu"
        assert str(cpu) == str(plain)


def test_an_unknown_extra_is_named() -> None:
    """A typing error ends with status 1 and the extras that there are."""
    command = [sys.executable, str(ROOT / "infra/locked.py"), "nosuch"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"no extra nosuch; it has {', '.join(PROJECT['optional-dependencies'])}" in done.stderr
