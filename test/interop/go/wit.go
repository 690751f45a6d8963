package main

import (
	"context"

	"github.com/spiffe/go-spiffe/v2/exp/svid/witsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// fetchWIT has go-spiffe hold a WIT-SVID and check it with the bundle that it was given.
func fetchWIT(ctx context.Context) {
	source, err := workloadapi.NewWITSource(ctx)
	check(err)
	defer source.Close()
	fetched, err := workloadapi.FetchWITSVID(ctx, "")
	check(err)
	svid, err := source.GetWITSVIDForID(fetched.ID)
	check(err)
	verified, err := witsvid.ParseAndValidate(svid.Marshal(), source)
	check(err)
	bundle, err := source.GetWITBundleForTrustDomain(verified.ID.TrustDomain())
	check(err)
	say("wit", map[string]any{"spiffeId": verified.ID.String(), "authorities": len(bundle.WITAuthorities()), "hint": svid.Hint, "holdsKey": svid.PrivateKey != nil})
}
