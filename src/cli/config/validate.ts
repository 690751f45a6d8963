import { type ConfigFile, readConfigFile } from "../../config/settings/config-file.ts";
import { problemsOf } from "../../config/settings/problems.ts";
import { exposedSecrets } from "../../config/settings/shown.ts";
import { type Command, EXIT_FAILURE } from "../program/command.ts";
import { currentUid } from "../connection/rpc-clients.ts";
import { CONFIG_OPTIONS, roleConfig, roleOf } from "./role-config.ts";

export const command: Command = {
  name: "config validate",
  operand: "file",
  options: CONFIG_OPTIONS,
  examples: [
    "assay config validate /etc/assay/server.yaml",
    "assay config validate agent.yaml --agent --output json",
  ],
  notes: [
    "It says what a start on this machine would say, all of it at once, and starts nothing.",
    "The exit code is 1 when something is wrong.",
  ],
  async run(context) {
    const { options, output, env } = context;
    const name = options.required("file");
    const tell = (problems: readonly string[], role?: string): number | undefined => {
      const valid = problems.length === 0;
      output.data({ file: name, ...(role === undefined ? {} : { role }), valid, problems }, () =>
        valid ? [`${name} is a valid configuration of assay ${role}`] : problems,
      );
      return valid ? undefined : EXIT_FAILURE;
    };
    let file: ConfigFile;
    try {
      file = await readConfigFile(name);
    } catch (thrown) {
      return tell(problemsOf(thrown));
    }
    const role = roleOf(context, file);
    const who = { uid: currentUid(), env };
    const config = roleConfig(role, file, who);
    try {
      await config.check();
    } catch (thrown) {
      return tell(problemsOf(thrown), role);
    }
    const exposed = exposedSecrets(config.settings, who);
    if (exposed !== undefined) output.note(`assay: ${exposed}`);
    for (const missing of config.missing) {
      output.note(`assay: ${name} has no '${missing}'; give --${missing} on the command line`);
    }
    return tell([], role);
  },
};
