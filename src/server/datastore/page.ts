/** Lists of any aggregate, page by page. */
export interface PageRequest {
  /** 1..`MAX_PAGE_SIZE`. */
  readonly size: number;
  /** Opaque, from the last page. @throws invalid when it is none of ours */
  readonly token?: string;
}

/** In the order of the list that it is of. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Absent on the last page. */
  readonly nextToken?: string;
}

/** Items. */
export const MAX_PAGE_SIZE = 10_000;
