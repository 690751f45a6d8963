// interop drives go-spiffe against the Workload API named by SPIFFE_ENDPOINT_SOCKET and prints a JSON line per event.
//
//	interop x509 | jwt AUDIENCE | wit | watch | serve | dial ADDRESS PEER_ID | rounds N | token FILE |
//	broker TARGET AGENT_ID PID
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func say(event string, fields map[string]any) {
	fields["event"] = event
	line, _ := json.Marshal(fields)
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		say("error", map[string]any{"message": err.Error()})
		os.Exit(1)
	}
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch os.Args[1] {
	case "x509":
		source, err := workloadapi.NewX509Source(ctx)
		check(err)
		defer source.Close()
		svid, err := source.GetX509SVID()
		check(err)
		bundle, err := source.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
		check(err)
		id, _, err := x509svid.Verify(svid.Certificates, bundle)
		check(err)
		say("x509", map[string]any{"spiffeId": id.String(), "serial": svid.Certificates[0].SerialNumber.Text(16), "authorities": len(bundle.X509Authorities()), "hint": svid.Hint})
	case "jwt":
		source, err := workloadapi.NewJWTSource(ctx)
		check(err)
		defer source.Close()
		svid, err := source.FetchJWTSVID(ctx, jwtsvid.Params{Audience: os.Args[2]})
		check(err)
		bundle, err := source.GetJWTBundleForTrustDomain(svid.ID.TrustDomain())
		check(err)
		verified, err := jwtsvid.ParseAndValidate(svid.Marshal(), jwtbundle.NewSet(bundle), []string{os.Args[2]})
		check(err)
		remote, err := workloadapi.ValidateJWTSVID(ctx, svid.Marshal(), os.Args[2])
		check(err)
		say("jwt", map[string]any{"spiffeId": verified.ID.String(), "audience": verified.Audience, "validated": remote.ID.String(), "token": svid.Marshal()})
	case "wit":
		fetchWIT(ctx)
	case "watch":
		go func() { // ends when the test closes our standard input
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		workloadapi.WatchX509Context(ctx, watcher{})
	case "token":
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		tokenWatch(ctx, os.Args[2])
	case "broker":
		brokerWatch(ctx, os.Args[2], os.Args[3], os.Args[4])
	case "serve":
		id := spiffeid.RequireFromString(os.Args[2])
		listener, err := spiffetls.Listen(ctx, "tcp", "127.0.0.1:0", tlsconfig.AuthorizeID(id))
		check(err)
		say("listening", map[string]any{"address": listener.Addr().String()})
		for {
			conn, err := listener.Accept()
			check(err)
			go serve(conn)
		}
	case "dial":
		conn, err := spiffetls.Dial(ctx, "tcp", os.Args[2], tlsconfig.AuthorizeID(spiffeid.RequireFromString(os.Args[3])))
		check(err)
		defer conn.Close()
		fmt.Fprintln(conn, "hello")
		line, err := bufio.NewReader(conn).ReadString('\n')
		check(err)
		peer, err := spiffetls.PeerIDFromConn(conn)
		check(err)
		say("answer", map[string]any{"line": line, "peer": peer.String()})
	case "rounds": // a fetch on one connection again and again, each with another deadline
		n, _ := strconv.Atoi(os.Args[2])
		client, err := workloadapi.New(ctx)
		check(err)
		defer client.Close()
		for i := 0; i < n; i++ {
			c, done := context.WithTimeout(ctx, time.Duration(60_000+i)*time.Millisecond)
			_, err := client.FetchX509SVID(c)
			done()
			check(err)
		}
		say("rounds", map[string]any{"count": n})
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		say("refused", map[string]any{"message": err.Error()})
		return
	}
	peer, err := spiffetls.PeerIDFromConn(conn)
	check(err)
	fmt.Fprintf(conn, "%s to %s", peer, line)
}

type watcher struct{}

func (watcher) OnX509ContextUpdate(c *workloadapi.X509Context) {
	svid := c.DefaultSVID()
	bundle, ok := c.Bundles.Get(svid.ID.TrustDomain())
	verified := false
	if ok {
		_, _, err := x509svid.Verify(svid.Certificates, bundle, x509svid.WithTime(time.Now()))
		verified = err == nil
	}
	say("update", map[string]any{"spiffeId": svid.ID.String(), "serial": svid.Certificates[0].SerialNumber.Text(16), "verified": verified, "notAfter": notAfter(svid.Certificates)})
}

func (watcher) OnX509ContextWatchError(err error) {
	say("watchError", map[string]any{"message": err.Error()})
}

func notAfter(chain []*x509.Certificate) int64 { return chain[0].NotAfter.Unix() }
