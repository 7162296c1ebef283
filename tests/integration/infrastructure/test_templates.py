"""The infrastructure people paste: legal, sound, and the same in both languages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import lint_file

from cxone_idem import Config
from examples.infrastructure.local import TEMPLATE
from tests.integration.infrastructure import sam, terraform
from tests.support.documents import ROOT, sections

if TYPE_CHECKING:
    from pathlib import Path

TERRAFORM = shutil.which("terraform")


@pytest.fixture(scope="module", params=[sam, terraform], ids=["sam", "terraform"])
def stated(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what each of the two says."""
    said: dict[str, Any] = request.param.stated()
    return said


def test_both_say_the_same() -> None:
    """SAM and Terraform differ in language only."""
    assert sam.stated() == terraform.stated()


def test_a_killed_batch_comes_back_when_its_leases_are_over(stated: dict[str, Any]) -> None:
    """The visibility time-out is six times the function's, as AWS asks for."""
    _, _, (_, longest_window) = stated["parameter: batch_window_seconds"]
    least = 6 * stated["function: timeout seconds"] + longest_window
    assert stated["events: visibility seconds"] >= least


def test_only_what_fails_comes_back(stated: dict[str, Any]) -> None:
    """Partial batch responses are on, for the right queue and function."""
    assert stated["mapping: responses"] == ["ReportBatchItemFailures"]
    assert (stated["mapping: queue"], stated["mapping: function"]) == ("events", "consumer")


def test_contention_alone_makes_no_dead_letter(stated: dict[str, Any]) -> None:
    """Five receives at least, then a queue that takes from this one only."""
    assert stated["events: receives"] >= 5
    assert stated["events: dead letters"] == "dead_letters"
    assert stated["dead letters: redrive"] == ("byQueue", True)


def test_no_message_outlives_its_record(stated: dict[str, Any]) -> None:
    """EventBridge's tries, a stay among dead letters and one more in the queue fit a retention."""
    for stay in ("dead letters: retention seconds", "undelivered: retention seconds"):
        oldest = stated["rule: age seconds"] + stated[stay] + stated["events: retention seconds"]
        assert oldest <= Config().retention_seconds
        assert stated["events: retention seconds"] < stated[stay]


def test_the_table_is_the_one_the_library_expects(stated: dict[str, Any]) -> None:
    """Key and TTL attribute are the defaults; records are hard to lose."""
    assert stated["records: key"] == [(Config().partition_key, "HASH")]
    assert stated["records: attributes"] == [(Config().partition_key, "S")]
    assert stated["records: TTL attribute"] == Config().ttl_attribute
    assert stated["records: billing"] == "PAY_PER_REQUEST"
    for protection in ("TTL", "point-in-time recovery", "deletion protection", "kept"):
        assert stated[f"records: {protection}"] is True


def test_the_consumer_is_configured(stated: dict[str, Any]) -> None:
    """The environment is one the library takes: table, namespace and metrics."""
    environment = stated["function: environment"]
    assert set(environment) == {
        "CXONE_IDEM_TABLE",
        "CXONE_IDEM_NAMESPACE",
        "CXONE_IDEM_METRICS",
    }
    config = Config.from_environ(environment)
    assert config.table == "records"  # the reference, by name
    assert config.namespace == "namespace"  # the parameter
    assert stated["parameter: namespace"][0]
    assert config.metrics


def test_the_function_is_the_layer_and_the_example(stated: dict[str, Any]) -> None:
    """The layer is for the function's Python, on the processor that the user names."""
    assert stated["function: layers"] == ["library"]
    assert stated["layer: runtimes"] == [stated["function: runtime"]]
    assert stated["function: architectures"] == ["architecture"]
    assert stated["parameter: architecture"][0] == "arm64"


def test_a_key_encrypts_all_that_rests(stated: dict[str, Any]) -> None:
    """Table, queues, logs and variables, with one parameter; without it the role has no KMS."""
    encrypted = [value for name, value in stated.items() if name.endswith(": encryption")]
    assert len(encrypted) == 4
    for keys in encrypted:
        assert set(keys if isinstance(keys, list) else [keys]) == {"kms_key_arn"}
    (said,) = stated["role: allows with a key"]
    assert said["on"] == "kms_key_arn"
    assert "kms:Decrypt" in said["actions"]
    (said,) = stated["role: allows with tracing"]
    assert (said["on"], said["actions"]) == (
        "*",
        ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    )


def test_every_parameter_is_used(stated: dict[str, Any]) -> None:
    """What can be set makes a difference somewhere."""
    said = repr({name: value for name, value in stated.items() if "parameter: " not in name})
    named = {name.removeprefix("parameter: ") for name in stated if "parameter: " in name}
    # The comparison leaves out which bus the rule is on.
    assert {name for name in named if f"'{name}'" not in said} == {"event_bus_name"}


def test_the_guides_table_of_parameters_is_the_templates(stated: dict[str, Any]) -> None:
    """Name, default and meaning, in the templates' order."""
    said = {
        name.removeprefix("parameter: "): value
        for name, value in stated.items()
        if name.startswith("parameter: ")
    }
    rows = [
        f"| `{name}` | {'' if default == '' else f'`{default}`'} | {meaning} |"
        for name, (default, meaning, _) in said.items()
    ]
    section = sections()["Parameters of the templates"]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows


def test_requirements_are_pinned() -> None:
    """What `sam build` installs beside the layer is one version each."""
    lines = (ROOT / "examples" / "sqs_lambda" / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", pin) for pin in pins)
    # The library is in no index: whoever takes that name there could run code in the function.
    assert not any("cxone-idem" in line for line in lines)
    constraints = (terraform.FOLDER / "main.tf").read_text()
    assert re.search(r'version = ">= [\d.]+, < \d+"', constraints)


def test_events_that_cannot_be_delivered_are_kept(stated: dict[str, Any]) -> None:
    """The rule wants some events, and EventBridge, for this rule only, may fill both queues."""
    assert stated["rule: pattern"] == {"detail-type": ["conversation.start"]}
    assert (stated["rule: target"], stated["rule: dead letters"]) == ("events", "undelivered")
    assert stated["policies"] == {"events", "undelivered"}
    for queue in ("events", "undelivered"):
        assert stated[f"{queue}: senders"] == [
            {
                "actions": ["sqs:SendMessage"],
                "on": queue,
                "by": "events.amazonaws.com",
                "if": [("ArnEquals", "aws:SourceArn", "events_rule")],
            }
        ]


def test_the_role_has_what_readme_lists_and_no_more(stated: dict[str, Any]) -> None:
    """Each action on the one resource it is for; README names DynamoDB's."""
    allowed = {said["on"]: said["actions"] for said in stated["role: allows"]}
    assert len(allowed) == len(stated["role: allows"])
    records = ["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PutItem"]
    assert allowed.pop("records") == records
    assert set(records) <= set(re.findall(r"`(dynamodb:\w+)`", sections()["Permissions"]))
    # "Configuring permissions" for an SQS event source, Lambda Developer Guide.
    assert allowed.pop("events") == [
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    ]
    assert allowed.pop("consumer_logs") == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert not allowed


def test_cfn_lint_finds_nothing() -> None:
    """The SAM template is legal CloudFormation, warnings included."""
    assert not [str(found) for found in lint_file(TEMPLATE)]


def terraform_says(
    *arguments: str, folder: Path = terraform.FOLDER
) -> subprocess.CompletedProcess[str]:
    """Run terraform over the example, or skip where there is none."""
    if TERRAFORM is None:
        pytest.skip("terraform is not on this machine")
    return subprocess.run(
        [TERRAFORM, f"-chdir={folder}", *arguments],
        env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_terraform_is_formatted() -> None:
    """`terraform fmt` would change nothing."""
    done = terraform_says("fmt", "-check", "-diff")
    assert done.returncode == 0, done.stdout + done.stderr


def test_terraform_takes_the_variables_and_the_dashboard(tmp_path: Path) -> None:
    """Run without a provider: the dashboard is JSON, and a value out of range is refused."""
    for name in ("variables.tf", "dashboard.json.tftpl"):
        shutil.copy(terraform.FOLDER / name, tmp_path)
    values = terraform.stated()["dashboard: values"]
    named = ", ".join(f'{name} = "the-{name}"' for name in values)
    rendered = f'jsondecode(templatefile("${{path.module}}/dashboard.json.tftpl", {{ {named} }}))'
    (tmp_path / "output.tf").write_text(f'output "dashboard" {{\n  value = {rendered}\n}}\n')
    for command in (["init"], ["apply", "-auto-approve"]):
        done = terraform_says(*command, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    dashboard = json.loads(terraform_says("output", "-json", "dashboard", folder=tmp_path).stdout)
    text = sam.stated()["dashboard: body"]
    for name in values:
        text = text.replace(f"${{{name}}}", f"the-{name}")
    assert dashboard == json.loads(text)
    for wrong in ("architecture=mips", "batch_window_seconds=21", "log_retention_days=2"):
        done = terraform_says("plan", f"-var={wrong}", folder=tmp_path)
        assert "Invalid value for variable" in done.stderr


def test_terraform_is_valid() -> None:
    """Every argument is one the provider knows; fetching the provider is the user's to do."""
    answer = json.loads(terraform_says("validate", "-json").stdout)
    problems = [problem["summary"] for problem in answer["diagnostics"]]
    if "Missing required provider" in problems:
        pytest.skip("terraform's AWS provider is not here: terraform init would fetch it")
    assert answer["valid"], problems
