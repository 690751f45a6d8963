/**
 * `node:http`, taken without `import`: a module of Node's that is imported has all its exports read, and reading
 * `WebSocket` loads a second HTTP client, some 15 MB that nothing here uses. Types are imported as ever.
 */
export const { Agent, createServer, get, request } = process.getBuiltinModule("node:http");
