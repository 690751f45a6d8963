/**
 * Writes `src/rpc/gen` from `proto/`: TypeScript types of every message and service, and `protos.json`, what the
 * program loads at run time. With `--check` it writes nothing and fails when the committed files differ.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, cpSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PROTO_DIR = fileURLToPath(new URL("../../proto/", import.meta.url));
const GEN_DIR = fileURLToPath(new URL("gen/", import.meta.url));

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const fresh = mkdtempSync(join(tmpdir(), "assay-gen-"));
try {
  const protos = listFiles(PROTO_DIR).filter((file) => file.endsWith(".proto"));
  writeTypes(protos, fresh);
  writeFileSync(
    join(fresh, "protos.json"),
    `${JSON.stringify(readProtos(protos), undefined, 1)}\n`,
  );
  if (values.check) check(fresh);
  else replace(fresh);
} finally {
  rmSync(fresh, { recursive: true });
}

/** The flags are the contract with `protos.ts`, which decodes with the same ones. */
function writeTypes(protos: readonly string[], outDir: string): void {
  const generator = createRequire(import.meta.url).resolve(
    "@grpc/proto-loader/build/bin/proto-loader-gen-types.js",
  );
  execFileSync(process.execPath, [
    generator,
    "--keepCase",
    "--longs=String",
    "--enums=String",
    "--defaults",
    "--oneofs",
    "--includeComments",
    "--grpcLib=@grpc/grpc-js",
    "--importFileExtension=.ts",
    `--includeDirs=${PROTO_DIR}`,
    `--outDir=${outDir}`,
    ...protos,
  ]);
  // One index per proto file, for loading by hand; nothing here does.
  for (const proto of protos) {
    rmSync(join(outDir, basename(proto).replace(/proto$/, "ts")), { force: true });
  }
  // The generator names each source by its place on this machine.
  for (const file of listFiles(outDir)) {
    const text = readFileSync(join(outDir, file), "utf8");
    writeFileSync(join(outDir, file), text.replaceAll(PROTO_DIR, "proto/"));
  }
}

function readProtos(protos: readonly string[]): object {
  // The parser belongs to proto-loader, which does not hand it on; only this development tool reaches for it.
  const loader = createRequire(createRequire(import.meta.url).resolve("@grpc/proto-loader"));
  const { Root } = loader("protobufjs") as { Root: new () => ProtoRoot };
  const root = new Root();
  root.resolvePath = (_origin, target) => (target.startsWith("/") ? target : PROTO_DIR + target);
  root.loadSync([...protos], { keepCase: true });
  return root.toJSON();
}

interface ProtoRoot {
  resolvePath: (origin: string, target: string) => string;
  loadSync(files: string[], options: { keepCase: boolean }): void;
  toJSON(): object;
}

function check(dir: string): void {
  const wanted = listFiles(dir);
  const present = listFiles(GEN_DIR);
  const differing = [...new Set([...wanted, ...present])].filter(
    (file) =>
      !wanted.includes(file) ||
      !present.includes(file) ||
      readFileSync(join(dir, file), "utf8") !== readFileSync(join(GEN_DIR, file), "utf8"),
  );
  if (differing.length === 0) {
    process.stdout.write(`${wanted.length} generated files are up to date\n`);
    return;
  }
  process.stderr.write(
    `generated files differ from proto/, run "npm run gen": ${differing.slice(0, 10).join(", ")}\n`,
  );
  process.exitCode = 1;
}

function replace(dir: string): void {
  rmSync(GEN_DIR, { recursive: true, force: true });
  cpSync(dir, GEN_DIR, { recursive: true });
  process.stdout.write(`${listFiles(GEN_DIR).length} files written\n`);
}

function listFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(dir, "/").length))
    .sort();
}
