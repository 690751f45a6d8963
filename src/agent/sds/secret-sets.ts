import type { SdsConfig } from "../../config/sections/sds-section.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { ViewState } from "../cache/view.ts";
import { Secrets } from "./secrets.ts";

/** The secrets of each view, made once and held as long as the view's own bytes. */
export class SecretSets {
  readonly #config: SdsConfig;
  readonly #ofViews = new WeakMap<Uint8Array, Secrets>();
  readonly #ofBundles = new WeakMap<Bundle, Secrets>();

  constructor(config: SdsConfig) {
    this.#config = config;
  }

  ofView({ frame, content }: ViewState): Secrets {
    return this.#once(this.#ofViews, frame, content);
  }

  /** Of a caller without an identity: the own trust domain's bundle, which is no secret. */
  ofBundle(own: Bundle): Secrets {
    return this.#once(this.#ofBundles, own, { svids: [], own, foreign: [] });
  }

  #once<K extends object>(
    sets: WeakMap<K, Secrets>,
    key: K,
    content: ViewState["content"],
  ): Secrets {
    const known = sets.get(key);
    if (known !== undefined) return known;
    const made = new Secrets(content, this.#config);
    sets.set(key, made);
    return made;
  }
}
