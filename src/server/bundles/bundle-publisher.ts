import type { Bundle } from "../../spiffe/bundle.ts";

/** Puts the bundle somewhere. The same bundle again does no harm. */
export interface BundlePublisher {
  /** For logs: what and where. */
  readonly name: string;
  /** @throws unavailable, denied */
  publish(bundle: Bundle, signal: AbortSignal): Promise<void>;
}
