package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/auth"
	"thalassa/internal/testkit"
)

// Statistics are filtered as everything else is, in metrics and in the stream. Those of
// others go on meanwhile.
func TestStatisticsAreFiltered(t *testing.T) {
	sampler, _ := sampled(t, testkit.HAProxies(t)[0].Path) // frontend web, backend members
	path := apitest.AccessFile(t, "backend/members")
	access, err := auth.OpenAccess(path, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := streamingFixture(t, func(c *api.Config) { c.Sampler, c.Authority = sampler, auth.NewAuthority(nil, access) })
	metrics := string(f.get("/metrics", bearer(apitest.BlindReadToken)).body)
	for text, want := range map[string]bool{
		`haproxy_backend_http_requests_total{proxy="members"}`: true,
		`haproxy_frontend_http_requests_total{`:                false,
		"haproxy_process_":                                     false, "go_goroutines": false, "thalassa_events_total": false, "thalassa_backends 0": true,
	} {
		if strings.Contains(metrics, text) != want {
			t.Errorf("the metrics have %s: %t\n%s", text, !want, metrics)
		}
	}
	all, some := f.subscriber(t, bearer(apitest.ReadToken)), f.subscriber(t, bearer(apitest.BlindReadToken))
	ticks := func(p *subscriber) {
		p.next()
		p.say(`{"type":"subscribe","topics":["stat","totals"]}`)
		states, deltas := 0, 0
		for states < 2 || deltas < 3 {
			switch m := p.next(); {
			case m.Type == "state":
				states++
			case m.Type == "delta" && m.Topic == "stat":
				deltas++
			}
		}
	}
	ticks(some)
	ticks(all)
	known, _ := json.Marshal(some.known["stat"])
	if len(some.known["stat"]) != 2 || strings.Contains(string(known), "frontend") || some.known["stat"]["stat/backend/members"] == nil {
		t.Errorf("known: %s", known)
	}
	if n := len(all.known["stat"]); n < 3 {
		t.Errorf("an unlimited follower knows %d", n)
	}
	ids := fmt.Sprint(some.known["totals"])
	if strings.Contains(ids, "frontend") {
		t.Errorf("totals: %s", ids)
	}
	metrics = string(f.get("/metrics", bearer(apitest.ReadToken)).body)
	if !strings.Contains(metrics, "thalassa_websocket_clients 2") {
		t.Error("a websocket of a limited caller is not counted")
	}
}
