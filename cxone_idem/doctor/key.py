"""A key of KMS: it works, and lets in who has to use it."""

from __future__ import annotations

from cxone_idem.doctor.account import Account
from cxone_idem.doctor.check import Facts, wrong
from cxone_idem.doctor.policy import Entry, all_hold, lets_in

_OF_AWS = "alias/aws/"
# "Configuring KMS permissions for AWS services" (SQS Developer Guide): who sends to an encrypted
# queue needs both, and nobody can change the policy of a key that AWS manages.
_SENDS = ("kms:GenerateDataKey", "kms:Decrypt")


def read_key(account: Account, name: str) -> Facts:
    """Read a key, in AWS's names, by its ARN, id or alias."""
    key = account.ask("kms", "describe_key", KeyId=name)["KeyMetadata"]
    return Facts(key, checks=_KEY_CHECKS, subject=f"key {name}")


def lets_eventbridge_use(account: Account, name: str, rule_arn: str) -> bool | None:
    """Return whether a key lets EventBridge encrypt for a rule; None if that is not known."""
    if name.startswith(_OF_AWS):
        return False
    key = account.ask("kms", "describe_key", KeyId=name)["KeyMetadata"]
    if key["KeyManager"] != "CUSTOMER":
        return False
    asked = account.ask("kms", "get_key_policy", KeyId=key["Arn"], PolicyName="default")
    return all_hold(*(lets_in(asked["Policy"], Entry(one, key["Arn"], rule_arn)) for one in _SENDS))


def is_own(name: str | None) -> bool:
    """Return whether a key is the account's own; AWS's own let in whoever may use the service."""
    return bool(name) and not str(name).startswith(_OF_AWS)


_KEY_CHECKS = (
    wrong(
        "key-state",
        lambda key: (key.KeyState or "Enabled") != "Enabled",
        "{KeyState}",
        "nothing that it encrypts can be read or written",
        "enable the key, or cancel its deletion",
    ),
)
