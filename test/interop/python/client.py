"""Drives py-spiffe against the Workload API named by SPIFFE_ENDPOINT_SOCKET and prints a JSON line per event.

client.py x509 | jwt AUDIENCE | watch
"""

import json
import sys

from spiffe import JwtSource, JwtSvid, WorkloadApiClient, X509Source


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
        with X509Source(timeout_in_seconds=30) as source:
            svid = source.get_x509_context().default_svid
            bundle = source.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
            say("x509", authorities=len(bundle.x509_authorities), **describe(svid))
    elif mode == "jwt":
        audience = sys.argv[2]
        with JwtSource(timeout_in_seconds=30) as source:
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
    elif mode == "watch":
        client = WorkloadApiClient()
        client.stream_x509_contexts(
            on_success=lambda context: say("update", **describe(context.default_svid)),
            on_error=lambda error: say("watchError", message=str(error)),
        )
        sys.stdin.read()  # until the test closes it


try:
    main()
except Exception as error:  # the test reads the reason
    say("error", message=f"{type(error).__name__}: {error}")
    sys.exit(1)
