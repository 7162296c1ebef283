"""Faults of the deployed pipeline, each planted alone, and what its events then come to."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.integration.infrastructure.deployment import Deployment, until
from tests.support.events import envelope

Fault = Callable[[Deployment], None]

KEY = "k1"


def _event(**detail: str) -> dict[str, str]:
    return {"IdempotencyKey": KEY, "eventType": "conversation.start", **detail}


def _logged(deployment: Deployment, text: str) -> None:
    until(lambda: any(text in line for line in deployment.log()), f"{text!r} is in the log")


def the_handler_has_a_bug(deployment: Deployment) -> None:
    """Emit an event without its `eventType`: the handler raises, each time."""
    with deployment.bringing_back_soon():
        deployment.emit({"IdempotencyKey": KEY})
        until(lambda: deployment.waiting("DeadLettersQueue") == 1, "it is a dead letter")


def the_work_outlasts_the_time_out(deployment: Deployment) -> None:
    """Have Lambda kill the function in the middle of its work."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", _SLOW)
    functions = deployment.client("lambda")
    name = deployment.function()["FunctionName"]
    functions.update_function_code(FunctionName=name, ZipFile=packed.getvalue())
    deployment.configure(Timeout=2)
    deployment.invoke(envelope(KEY))


_SLOW = """
from time import sleep
from cxone_idem import Deduplicator
deduplicator = Deduplicator.from_environ()
def handler(event, context):
    return deduplicator.process_batch(event, lambda event: sleep(60), context=context)
"""


def a_variable_is_misspelt(deployment: Deployment) -> None:
    """Have the function raise before its first event."""
    deployment.set_environment(CXONE_IDEM_TABEL="records")
    deployment.invoke(envelope(KEY))


def the_table_is_not_there(deployment: Deployment) -> None:
    """Have the function look for another table than the one that was made."""
    deployment.set_environment(CXONE_IDEM_TABLE="elsewhere")
    deployment.invoke(envelope(KEY))


def the_role_may_not_write(deployment: Deployment) -> None:
    """Take the permission away; the stand-in enforces none, so a server of the test refuses."""
    iam = deployment.client("iam")
    role = deployment.function()["Role"].rpartition("/")[2]
    policy = iam.get_role_policy(RoleName=role, PolicyName="consumer")["PolicyDocument"]
    policy["Statement"] = [
        statement for statement in policy["Statement"] if "dynamodb:PutItem" not in str(statement)
    ]
    iam.put_role_policy(RoleName=role, PolicyName="consumer", PolicyDocument=json.dumps(policy))
    with _refusing() as url:
        deployment.set_environment(AWS_ENDPOINT_URL_DYNAMODB=url)
        deployment.invoke(envelope(KEY))
    deployment.set_environment(AWS_ENDPOINT_URL_DYNAMODB="")


class _Refusal(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException"}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


@contextmanager
def _refusing() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def the_key_is_too_coarse(deployment: Deployment) -> None:
    """Have two conversations share one key."""
    deployment.set_environment(CXONE_IDEM_KEY="detail.eventType")
    deployment.emit(*(_event(conversationId=conversation) for conversation in ("c1", "c2")))
    _logged(deployment, "is no duplicate")


def the_target_sends_a_part_of_the_event(deployment: Deployment) -> None:
    """Send no envelope, in which alone the default key expression finds a key."""
    target = {**deployment.target(), "InputPath": "$.detail.eventType"}
    deployment.client("events").put_targets(Rule=deployment.rule()["Name"], Targets=[target])
    deployment.emit(_event())
    _logged(deployment, "has no key")


def two_rules_send_the_same_events(deployment: Deployment) -> None:
    """Make a second rule with the same pattern and target."""
    events = deployment.client("events")
    pattern = json.dumps({"detail-type": ["conversation.start"]})
    arn = events.put_rule(Name="second", EventPattern=pattern)["RuleArn"]
    for queue in ("EventsQueue", "UndeliveredQueue"):
        deployment.let_in(queue, deployment.rule()["Arn"], arn)
    events.put_targets(Rule="second", Targets=[deployment.target()])
    with deployment.bringing_back_soon():
        deployment.emit(_event())
        _logged(deployment, "is a duplicate")


def cxone_emits_again(deployment: Deployment) -> None:
    """Emit a dozen events twice, each time under another id."""
    details = [_event(IdempotencyKey=f"k{number}") for number in range(12)]
    for _ in range(2):
        deployment.emit(*details[:10])
        deployment.emit(*details[10:])
        until(lambda: len(deployment.records()) == 12, "all have a record")
    until(lambda: deployment.waiting("EventsQueue") == 0, "no message is left")


def the_mapping_is_off(deployment: Deployment) -> None:
    """Have nothing take the messages from the queue."""
    functions = deployment.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    deployment.emit(_event())
    until(lambda: deployment.waiting("EventsQueue") == 1, "the message waits")


def no_concurrency_is_left(deployment: Deployment) -> None:
    """Set what somebody sets who wants a function to stop."""
    name = deployment.function()["FunctionName"]
    functions = deployment.client("lambda")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    deployment.invoke(envelope(KEY))


def the_queue_does_not_let_eventbridge_in(deployment: Deployment) -> None:
    """Shut the queue; the stand-in enforces no policy, so the test does what EventBridge would."""
    deployment.let_in("EventsQueue", "arn:aws:events:us-east-1:000000000000:rule/another")
    deployment.sqs.send_message(QueueUrl=deployment.outputs["UndeliveredQueue"], MessageBody="{}")


def the_rule_is_off(deployment: Deployment) -> None:
    """Have no event leave the bus."""
    deployment.client("events").disable_rule(Name=deployment.rule()["Name"])
    deployment.emit(_event())


def the_kill_switch_is_set(deployment: Deployment) -> None:
    """Have every event run, unprotected."""
    deployment.set_environment(CXONE_IDEM_DISABLED="true")
    deployment.emit(_event())
    _logged(deployment, "processed event")


def the_metrics_have_another_namespace(deployment: Deployment) -> None:
    """Rename whose metrics these are: no alarm of the library is about them any more."""
    deployment.set_environment(CXONE_IDEM_NAMESPACE="renamed")


def the_log_level_is_warn(deployment: Deployment) -> None:
    """Have duplicates dropped without a line that says so."""
    deployment.configure(
        LoggingConfig={
            **deployment.function()["LoggingConfig"],
            "ApplicationLogLevel": "WARN",
        }
    )


def the_mapping_reports_no_failures(deployment: Deployment) -> None:
    """Have one failed message bring its whole batch back."""
    functions = deployment.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=[])


def the_visibility_timeout_is_short(deployment: Deployment) -> None:
    """Have messages come back while their first delivery is at work."""
    deployment.set_visibility(30)


def ttl_is_off(deployment: Deployment) -> None:
    """Have the table keep every record."""
    deployment.set_ttl(on=False)


PLANTED: dict[str, Fault] = {
    function.__name__.replace("_", " "): function
    for function in (
        the_handler_has_a_bug,
        the_work_outlasts_the_time_out,
        a_variable_is_misspelt,
        the_table_is_not_there,
        the_role_may_not_write,
        the_key_is_too_coarse,
        the_target_sends_a_part_of_the_event,
        two_rules_send_the_same_events,
        cxone_emits_again,
        the_mapping_is_off,
        no_concurrency_is_left,
        the_queue_does_not_let_eventbridge_in,
        the_rule_is_off,
        the_kill_switch_is_set,
        the_metrics_have_another_namespace,
        the_log_level_is_warn,
        the_mapping_reports_no_failures,
        the_visibility_timeout_is_short,
        ttl_is_off,
    )
}
"""Each fault by the name that the guide's table gives it."""
