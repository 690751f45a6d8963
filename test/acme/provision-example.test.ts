/** The example of deploy/examples/provision, as a newcomer runs it: P1, P4, P5, P9, P11, P16, P19 with a real Docker Engine. */
import t from "tap";
import { needDocker } from "../support/docker-engine.ts";
import { runExample } from "../support/example.ts";

t.test(
  "P11 P16 deploy/examples/provision/run proves what it says and leaves nothing behind",
  async (t) => {
    await needDocker();
    const { proved } = await runExample("provision");
    t.match(proved, [
      /server on a fresh folder: \{"status":"ok"\}/,
      /unmodified image has its identity; docker inspect shows where, and no secret/,
      /key is in memory: tmpfs/,
      /mutual TLS between two of them: web.example.org asked db.example.org, and 'olleh' came back/,
      /without a certificate is refused by the service/,
      /made-up token is refused: 401/,
      /client as its entrypoint: key on its own tmpfs, serial=[0-9A-F]+ subject=CN = job.example.org/,
      /moved: the same CA, and certificates of two hours/,
    ]);
  },
);
