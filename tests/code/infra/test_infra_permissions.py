"""The roles of the machines against the calls that the code makes."""

import ast
import re
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).parents[3]
OTHER_NAMES = {"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadObject": "s3:GetObject", "s3:HeadBucket": "s3:ListBucket"}
"""Operations whose permission has another name than the call."""
TRAINING = {"flows/bucket.py", "infra/aws/ship_logs.py"}
"""What the training machine runs of the files that call AWS."""


def callers() -> dict[str, set[str]]:
    """By file, the permissions that its calls of boto3 need."""
    found = {}
    for folder in ("benchmarks", "flows", "infra", "oddsmith", "pipelines", "serving"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "import boto3" in text:
                found[path.relative_to(ROOT).as_posix()] = permissions(ast.parse(text))
    return found


def permissions(tree: ast.Module) -> set[str]:
    """Permissions of the operations of the clients that a module makes, called by name or named as a string."""
    services, words = set(), set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("client", "resource")
        ):
            services |= {one.value for one in node.args if isinstance(one, ast.Constant)}
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
    needed = set()
    for service in services:
        client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        operations = client.meta.method_to_api_mapping
        named = {f"{service}:{operations[word]}" for word in words & operations.keys()}
        needed |= {OTHER_NAMES.get(one, one) for one in named}
    return needed


def allowed(document: str) -> set[str]:
    """Actions of a policy document of access.tf, with those of the documents that it takes over."""
    text = (ROOT / "infra/terraform/access.tf").read_text(encoding="utf-8")
    blocks = re.split(r'^data "aws_iam_policy_document" ', text, flags=re.MULTILINE)
    body = next(block for block in blocks if block.startswith(f'"{document}"')).split("\nresource ")[0]
    own = {
        action
        for listed in re.findall(r"actions\s*=\s*\[([^]]*)\]", body)
        for action in re.findall(r'"([^"]+)"', listed)
    }
    taken = re.findall(r"aws_iam_policy_document\.(\w+)\.json", body)
    return own.union(*(allowed(name) for name in taken))


def test_calls_are_found_in_every_form() -> None:
    """A method of a client, a paginator and an operation that is passed as a string are calls."""
    found = callers()

    assert "ce:GetCostAndUsage" in found["flows/billed.py"]
    assert {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= found["flows/bucket.py"]
    assert {"autoscaling:SetDesiredCapacity", "autoscaling:DescribeAutoScalingGroups"} <= found["flows/spot.py"]
    assert all(found.values()), found


@pytest.mark.parametrize(("role", "document"), [("trading", "trading"), ("training", "store")])
def test_a_role_may_do_what_its_machine_asks(role: str, document: str) -> None:
    """Each call of boto3 in a file that a machine runs is an action of its role's policy."""
    files = callers() if role == "trading" else {name: callers()[name] for name in TRAINING}
    may = allowed(document)
    missing = {name: sorted(needed - may) for name, needed in files.items() if needed - may}

    assert not missing
