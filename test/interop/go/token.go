package main

import (
	"context"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
)

// fileToken shows the token in a file with each call, read anew, as doc/attestors.md has it.
type fileToken string

func (file fileToken) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := os.ReadFile(string(file))
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(string(token))}, nil
}

func (fileToken) RequireTransportSecurity() bool { return false } // a Unix socket

// tokenWatch prints each SVID that the token in the file is good for, until ctx ends.
func tokenWatch(ctx context.Context, file string) {
	workloadapi.WatchX509Context(ctx, watcher{},
		workloadapi.WithDialOptions(grpc.WithPerRPCCredentials(fileToken(file))),
	)
}
