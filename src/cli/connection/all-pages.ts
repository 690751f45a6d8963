import type { RpcClient } from "./rpc-clients.ts";

interface AllPagesParams<P, T> {
  readonly server: RpcClient;
  readonly service: string;
  readonly method: string;
  /** What each request says beside its page. */
  readonly request?: object;
  readonly pageSize: number;
  readonly itemsOf: (page: P) => readonly T[];
}

/** All items of a list that the server answers in pages. @throws what the server answers */
export async function allPages<P extends { readonly next_page_token: string }, T>(
  params: AllPagesParams<P, T>,
): Promise<T[]> {
  const { server, service, method, request = {}, pageSize, itemsOf } = params;
  const items: T[] = [];
  let token = "";
  do {
    const page = await server.call<P>(service, method, {
      ...request,
      page_size: pageSize,
      page_token: token,
    });
    items.push(...itemsOf(page));
    token = page.next_page_token;
  } while (token !== "");
  return items;
}
