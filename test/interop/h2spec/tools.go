//go:build tools

// Package tools pins h2spec, the judge of an HTTP/2 server.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
