/** Connects to the socket given, speaks enough HTTP/2 to be kept, and hands the connection to the parent process. */
import { connect } from "node:net";

const socket = connect(process.argv[2] ?? "", () => {
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
  process.send?.("socket", socket);
});
