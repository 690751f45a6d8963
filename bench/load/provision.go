package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// provision authorizes a new token and has a request signed with it: two calls, counted as one. With every a new
// connection is made each time, as a container would that starts.
func provision(base, bearer string, conc int, dur time.Duration, every bool) {
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: conc, MaxConnsPerHost: 2 * conc, DisableKeepAlives: every,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}, Timeout: 30 * time.Second}
	csrs := make([]string, 1024)
	for i := range csrs {
		k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "app.example.org"}}, k)
		if err != nil {
			panic(err)
		}
		csrs[i] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
	call := func(req *http.Request) (string, error) {
		res, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != 200 {
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
		return string(body), err
	}
	var next atomic.Int64
	run("provision", conc, dur, func(int) error {
		secret := make([]byte, 16)
		rand.Read(secret)
		token := hex.EncodeToString(secret)
		form := url.Values{"cn": {"app.example.org"}, "token": {token}}.Encode()
		req, _ := http.NewRequest("POST", base+"/v1/authorize", strings.NewReader(form))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		if _, err := call(req); err != nil {
			return err
		}
		csr := csrs[next.Add(1)%int64(len(csrs))]
		req, _ = http.NewRequest("PUT", base+"/v1/sign/"+token, strings.NewReader(csr))
		body, err := call(req)
		if err == nil && !strings.HasPrefix(body, "-----BEGIN CERTIFICATE-----") {
			err = fmt.Errorf("no certificate: %.80s", body)
		}
		return err
	})
}
