import { fail } from "../../../base/errors.ts";
import type { NodeAttestorAgent } from "../../contract.ts";
import { type MetadataServiceOptions, askMetadataService } from "../metadata-service.ts";
import { AWS_IID_TYPE, encodeIid } from "./payload.ts";

/** Proves with the instance identity document of EC2, had from the instance's metadata service (version 2). */
export function awsIidAttestor(service: MetadataServiceOptions): NodeAttestorAgent {
  return {
    type: AWS_IID_TYPE,
    repeatable: true,
    async prove(signal) {
      const session = await askMetadataService(
        service,
        { method: "PUT", path: "/latest/api/token", headers: { [TTL_HEADER]: "60" } },
        signal,
      );
      const headers = { [TOKEN_HEADER]: session.trim() };
      const [document = "", signature = "", rsa2048 = ""] = await Promise.all(
        ["document", "signature", "rsa2048"].map((name) =>
          askMetadataService(
            service,
            { path: `/latest/dynamic/instance-identity/${name}`, headers },
            signal,
          ),
        ),
      );
      return {
        type: AWS_IID_TYPE,
        payload: encodeIid({ document, rsa2048 }, signature),
        respond: () => Promise.reject(fail("unsupported", "a document answers no challenge")),
      };
    },
  };
}

const TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER = "x-aws-ec2-metadata-token";
