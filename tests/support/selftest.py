"""`make selftest`: the self-test on each local engine that is installed, its table printed."""

from __future__ import annotations

import sys

from tests.support.command import run
from tests.support.engines import is_missing, running, use_stand_in_credentials


def main() -> int:
    """Play the contract on each engine; return 1 if one does not keep it."""
    use_stand_in_credentials()
    codes = []
    for engine in ("ministack", "ministack-untelling", "dynamodb-local"):
        if is_missing(engine):
            sys.stdout.write(f"\n{engine}: not installed\n")
            continue
        with running(engine) as make:
            table = make()
            ttl = {"Enabled": True, "AttributeName": "expires_at"}
            table.client.update_time_to_live(TableName=table.name, TimeToLiveSpecification=ttl)
            endpoint = {"AWS_ENDPOINT_URL_DYNAMODB": table.endpoint}
            said = run(["selftest", "--table", table.name], **endpoint)
        sys.stdout.write(f"\n{engine}\n{said.out}".expandtabs(34) + said.err)
        codes.append(said.exit)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
