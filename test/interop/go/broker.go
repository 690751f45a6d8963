package main

import (
	"context"
	"crypto/x509"
	"strconv"

	"github.com/spiffe/go-spiffe/v2/exp/proto/spiffe/broker"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// brokerWatch follows the identities of a process over mutual TLS, with this program's own SVID, until it is told no more.
func brokerWatch(ctx context.Context, target, agent, pid string) {
	source, err := workloadapi.NewX509Source(ctx)
	check(err)
	defer source.Close()
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(spiffeid.RequireFromString(agent)))
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	check(err)
	number, err := strconv.Atoi(pid)
	check(err)
	packed, err := anypb.New(&broker.WorkloadPIDReference{Pid: int32(number)})
	check(err)
	reference := &broker.WorkloadReference{Reference: packed}
	ctx = metadata.AppendToOutgoingContext(ctx, "broker.spiffe.io", "true")
	client := broker.NewAPIClient(conn)
	stream, err := client.SubscribeToX509SVID(ctx, &broker.SubscribeToX509SVIDRequest{Reference: reference})
	check(err)
	for {
		update, err := stream.Recv()
		if err != nil {
			said := status.Convert(err)
			say("over", map[string]any{"code": said.Code().String(), "details": len(said.Details())})
			return
		}
		ids := []string{}
		for _, svid := range update.Svids {
			chain, err := x509.ParseCertificates(svid.X509Svid)
			check(err)
			_, err = x509.ParsePKCS8PrivateKey(svid.X509SvidKey)
			check(err)
			ids = append(ids, chain[0].URIs[0].String())
		}
		tokens, err := client.FetchJWTSVID(ctx, &broker.FetchJWTSVIDRequest{Reference: reference, Audience: []string{"db"}})
		check(err)
		say("svids", map[string]any{"ids": ids, "tokens": len(tokens.Svids)})
	}
}
