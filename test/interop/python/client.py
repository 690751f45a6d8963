"""Drives py-spiffe against the Workload API named by SPIFFE_ENDPOINT_SOCKET and prints a JSON line per event.

client.py x509 | jwt AUDIENCE | watch | token FILE
"""

import json
import os
import sys

import grpc
from spiffe import JwtSource, JwtSvid, WorkloadApiClient, X509Source
from spiffe._proto import workload_pb2, workload_pb2_grpc


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def describe(svid):
    return {
        "spiffeId": str(svid.spiffe_id),
        "serial": format(svid.leaf.serial_number, "x"),
        "notAfter": int(svid.leaf.not_valid_after_utc.timestamp()),
    }


def main():
    mode = sys.argv[1]
    if mode == "x509":
        with X509Source(timeout_in_seconds=300) as source:
            svid = source.get_x509_context().default_svid
            bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
            say("x509", authorities=len(bundle.x509_authorities), **describe(svid))
    elif mode == "jwt":
        audience = sys.argv[2]
        with JwtSource(timeout_in_seconds=300) as source:
            svid = source.fetch_svid(audience={audience})
            bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
            verified = JwtSvid.parse_and_validate(svid.token, bundle, {audience})
            with WorkloadApiClient() as client:
                remote = client.validate_jwt_svid(svid.token, audience)
            say(
                "jwt",
                spiffeId=str(verified.spiffe_id),
                audience=list(verified.audience),
                validated=str(remote.spiffe_id),
                token=svid.token,
            )
    elif mode == "token":
        token(sys.argv[2])
    elif mode == "watch":
        client = WorkloadApiClient()
        client.stream_x509_contexts(
            on_success=lambda context: say("update", **describe(context.default_svid)),
            on_error=lambda error: say("watchError", message=str(error)),
        )
        sys.stdin.read()  # until the test closes it


def token(file):
    """Plain stubs, without a SPIFFE library's help: as doc/attestors.md has it."""

    def metadata():
        with open(file) as text:
            return (
                ("workload.spiffe.io", "true"),
                ("authorization", f"Bearer {text.read().strip()}"),
            )

    with grpc.insecure_channel(os.environ["SPIFFE_ENDPOINT_SOCKET"]) as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        for answer in stub.FetchX509SVID(workload_pb2.X509SVIDRequest(), metadata=metadata()):
            say("token", spiffeIds=[svid.spiffe_id for svid in answer.svids])
            return


try:
    main()
except Exception as error:  # the test reads the reason
    say("error", message=f"{type(error).__name__}: {error}")
    sys.exit(1)
