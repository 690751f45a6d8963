/** `assay watch --dir` and `--config`: the agent's views become files, for as long as the process runs or once. */
import { Backoff } from "../../base/backoff.ts";
import { sleep, systemClock } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { Delivery, Follower } from "../../delivery/delivery.ts";
import type { Contents } from "../../delivery/render.ts";
import type { Target } from "../../delivery/target.ts";
import type { CommandContext } from "../program/command.ts";
import { isoTime, timeText } from "../text/facts.ts";
import { createLines } from "../program/output.ts";
import { type RpcClient, connectAgent } from "../connection/rpc-clients.ts";
import { withWait } from "../connection/wait.ts";
import { fetchView, followViews } from "./source.ts";
import type { Wanted } from "./targets.ts";

export async function deliver(context: CommandContext, wanted: Wanted): Promise<undefined> {
  const { options, signal } = context;
  using deliveries = new DisposableStack();
  const all = wanted.targets.map((target) => deliveries.use(deliveryOf(target, context)));
  // What cannot be written to is said before anything is asked of the agent.
  for (const delivery of all) delivery.check();
  if (options.flag("once")) {
    await withWait(context, ["not_found", "unavailable", "denied"], async () => {
      using agent = await connectAgent(context, options.text("socket") ?? wanted.socket);
      for (const delivery of all) {
        const { target } = delivery;
        try {
          await delivery.deliver(await fetchView(agent, target, signal), signal);
        } catch (thrown) {
          throw all.length === 1 ? thrown : ofTarget(target, errorFrom(thrown));
        }
      }
    });
    return undefined;
  }
  using agent = await patientAgent(context, wanted.socket);
  if (agent === undefined) return undefined;
  await using followers = new AsyncDisposableStack();
  const tools = { clock: systemClock, random: systemRandom };
  const followed = all.map((delivery) =>
    followers.use(new Follower(delivery, tools, noteOf(delivery.target, context))),
  );
  await followViews(
    {
      agent,
      targets: wanted.targets,
      note: context.output.note,
      offer: (index, view) => followed[index]?.offer(view),
    },
    signal,
  );
  return undefined;
}

function deliveryOf(target: Target, context: CommandContext): Delivery {
  const lines = createLines(context.output.format);
  return new Delivery({
    target,
    clock: systemClock,
    random: systemRandom,
    env: { ...context.env, ASSAY_DIR: target.dir },
    onWritten({ dir, format }, { svid, tokens }: Contents, files) {
      const facts = {
        dir,
        format,
        ...(svid === undefined
          ? {}
          : {
              spiffeId: svid.spiffeId,
              serialNumber: svid.serialNumber,
              expiresAt: isoTime(svid.expiresAt),
            }),
        files,
      };
      const what =
        svid === undefined
          ? `${tokens.size} ${tokens.size === 1 ? "JWT-SVID" : "JWT-SVIDs"}`
          : `${svid.spiffeId}, expires ${timeText(svid.expiresAt, Date.now())}`;
      lines.data(facts, () => [`${new Date().toISOString()} wrote ${dir}: ${what}`]);
    },
  });
}

/** Of several targets, the one that it happened to. */
function ofTarget({ dir }: Target, error: AssayError): AssayError {
  const { kind, message } = error;
  return message.includes(dir) ? error : fail(kind, `${dir}: ${message}`, { cause: error });
}

/** One line for each new sentence, not for each attempt. */
function noteOf(target: Target, { output }: CommandContext): (error: AssayError) => void {
  let noted = "";
  return (error) => {
    const { message } = ofTarget(target, error);
    if (message !== noted) output.note(`assay: ${message}; trying again`);
    noted = message;
  };
}

/** An agent that is not there yet is waited for. @returns undefined when the end comes first */
async function patientAgent(
  context: CommandContext,
  fromFile: string | undefined,
): Promise<RpcClient | undefined> {
  const { options, signal, output } = context;
  const backoff = new Backoff({ baseMs: 250, maxMs: 5000 }, systemRandom);
  let noted = "";
  while (!signal.aborted) {
    try {
      return await connectAgent(context, options.text("socket") ?? fromFile);
    } catch (thrown) {
      if (!isKind(thrown, "not_found", "unavailable")) throw thrown;
      const { message } = errorFrom(thrown);
      if (message !== noted) output.note(`assay: ${message}; trying again`);
      noted = message;
    }
    await sleep(systemClock, backoff.nextMs(), signal).catch(() => undefined);
  }
  return undefined;
}
