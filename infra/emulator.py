"""The moto server, corrected where moto 5.2 answers otherwise than AWS: a second Terraform plan finds no changes."""

import json
import sys
from typing import Any

from moto.budgets.responses import BudgetsResponse
from moto.core.exceptions import JsonRESTError
from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.server import main

_tags: dict[str, list[dict[str, str]]] = {}
_create_budget = BudgetsResponse.create_budget
_make_version = LaunchTemplateVersion.__init__


def _create_budget_with_tags(self: Any) -> str:
    arn = f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{self._get_param('Budget')['BudgetName']}"
    _tags[arn] = self._get_param("ResourceTags", [])
    return str(_create_budget(self))


def _list_budget_tags(self: Any) -> str:
    return json.dumps({"ResourceTags": _tags.get(self._get_param("ResourceARN"), [])})


def _describe_subscribers(self: Any) -> str:
    wanted = self._get_param("Notification")
    budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
    for notification in budget.notifications:
        if all(notification.details.get(key) == wanted.get(key) for key in ("NotificationType", "Threshold")):
            return json.dumps({"Subscribers": notification.subscribers})
    raise JsonRESTError("NotFoundException", f"no notification {wanted}")


def _rule_description(self: Any) -> str | None:
    """AWS keeps the description of a rule that names a group, too."""
    return (self.ip_range or self.source_group or {}).get("Description")


def _version_without_own_tags(self: Any, template: Any, number: int, data: dict[str, Any], description: str) -> None:
    """AWS does not write the tags of a launch template into its content."""
    kept = [one for one in data.get("TagSpecifications", []) if one["ResourceType"] != "launch-template"]
    _make_version(self, template, number, {**data, "TagSpecifications": kept}, description)


BudgetsResponse.create_budget = _create_budget_with_tags
BudgetsResponse.list_tags_for_resource = _list_budget_tags
BudgetsResponse.describe_subscribers_for_notification = _describe_subscribers
SecurityGroupRule.description = property(_rule_description)
LaunchTemplateVersion.__init__ = _version_without_own_tags

if __name__ == "__main__":
    main(sys.argv[1:])
