// talk is a workload as anyone would write it with go-spiffe: it serves mutual TLS to one peer of another trust domain
// and asks that peer again and again, each time with a handshake of its own.
//
//	talk LISTEN_ADDRESS PEER_ADDRESS PEER_ID
//
// It prints one JSON line for each SVID and each set of the peer's authorities that it comes to hold, one when the peer
// first answers, and at its end what it has counted since then.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const (
	pause   = 50 * time.Millisecond
	timeout = 10 * time.Second
	grace   = time.Second
)

func say(event string, fields map[string]any) {
	fields["event"] = event
	line, _ := json.Marshal(fields)
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		say("error", map[string]any{"message": err.Error()})
		os.Exit(1)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	peer := spiffeid.RequireFromString(os.Args[3])

	source, err := workloadapi.NewX509Source(ctx)
	must(err)
	defer source.Close()
	go workloadapi.WatchX509Context(ctx, &watcher{peer: peer.TrustDomain()})

	listener, err := spiffetls.ListenWithMode(ctx, "tcp", os.Args[1],
		spiffetls.MTLSServerWithSource(tlsconfig.AuthorizeID(peer), source))
	must(err)
	defer listener.Close()
	var served atomic.Int64
	go serve(listener, &served)

	asked, failed := 0, 0
	for ctx.Err() == nil {
		err := ask(ctx, source, os.Args[2], peer)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			if asked == 0 {
				say("reached", map[string]any{"peer": peer.String()})
			}
			asked++
		case asked > 0: // before the first answer the peer may not be there yet
			asked++
			failed++
			say("failed", map[string]any{"message": err.Error()})
		}
		time.Sleep(pause)
	}
	say("end", map[string]any{"asked": asked, "failed": failed, "served": served.Load()})
	time.Sleep(grace) // the peer may be asking its last
}

func ask(ctx context.Context, source *workloadapi.X509Source, address string, peer spiffeid.ID) error {
	ctx, done := context.WithTimeout(ctx, timeout)
	defer done()
	conn, err := spiffetls.DialWithMode(ctx, "tcp", address,
		spiffetls.MTLSClientWithSource(tlsconfig.AuthorizeID(peer), source))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintln(conn, "who am I?"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	svid, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	if line != svid.ID.String()+"\n" {
		return fmt.Errorf("the peer took us for %q", line)
	}
	return nil
}

func serve(listener net.Listener, served *atomic.Int64) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(timeout))
			if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
				return // the one who asked says why
			}
			caller, err := spiffetls.PeerIDFromConn(conn)
			if err != nil {
				return
			}
			fmt.Fprintln(conn, caller)
			served.Add(1)
		}()
	}
}

type watcher struct{ peer spiffeid.TrustDomain }

func (w *watcher) OnX509ContextUpdate(c *workloadapi.X509Context) {
	svid := c.DefaultSVID()
	leaf := svid.Certificates[0]
	say("svid", map[string]any{"id": svid.ID.String(), "serial": leaf.SerialNumber.Text(16), "authority": hex.EncodeToString(leaf.AuthorityKeyId)})
	bundle, ok := c.Bundles.Get(w.peer)
	if !ok {
		return
	}
	var authorities []string
	for _, authority := range bundle.X509Authorities() {
		authorities = append(authorities, hex.EncodeToString(authority.SubjectKeyId))
	}
	slices.Sort(authorities)
	say("authorities", map[string]any{"domain": w.peer.Name(), "ids": authorities})
}

func (w *watcher) OnX509ContextWatchError(err error) {
	say("watch", map[string]any{"message": err.Error()})
}
