/**
 * For shell scripts: installs and builds what a cluster needs, and prints it as assignments, `KUBE=...` and
 * `IMAGES=...`. The first time takes some minutes.
 */
import { busyboxImage, kubeBinary, pauseImage } from "./build.ts";
import { PACKAGES } from "./cluster.ts";
import { assayImage } from "./deployment.ts";
import { needPackages } from "../../support/debian.ts";

await needPackages(PACKAGES);
const images = [await pauseImage(), await busyboxImage(), await assayImage()];
process.stdout.write(`KUBE='${await kubeBinary()}'\nIMAGES='${images.join(" ")}'\n`);
